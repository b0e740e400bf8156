/** Edits assistant cells as what they are: prose in Markdown below a magic line. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { eachCodeCell, type IPlace } from './cells.js';
import { IPreferences } from './preferences.js';
import { isPrompt, readMagicLine } from './prompt.js';
import { findRecord } from './record.js';
import { texts } from './texts.js';

const MARKDOWN = 'text/x-ipythongfm';
const PROSE_OPTIONS = {
  autoClosingBrackets: false,
  matchBrackets: false,
  lineWrap: true,
  lineNumbers: false
};

export const promptCells: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:prompt-cells',
  description: 'Edits assistant cells as Markdown and marks them.',
  autoStart: true,
  requires: [INotebookTracker, IPreferences],
  optional: [ITranslator],
  activate: (
    _,
    tracker: INotebookTracker,
    preferences: IPreferences,
    translator: ITranslator | null
  ) => {
    const trans = texts(translator);
    eachCodeCell(tracker, place => new PromptCell(place, preferences, trans));
  }
};

/** Keeps one cell in the form that its text asks for; nothing of it is saved. */
class PromptCell {
  constructor(
    private readonly place: IPlace,
    private readonly preferences: IPreferences,
    private readonly trans: TranslationBundle
  ) {
    const { cell } = place;
    this.codeType = cell.model.mimeType;
    this.mark.className = 'aoai-Mark';
    cell.model.contentChanged.connect(this.update, this);
    // The notebook sets the kernel's language again whenever it hears of it.
    cell.model.mimeTypeChanged.connect(this.update, this);
    cell.model.outputs.changed.connect(this.update, this);
    preferences.changed.connect(this.update, this);
    cell.disposed.connect(() => preferences.changed.disconnect(this.update, this));
    void cell.ready.then(() => this.update());
    this.update();
  }

  private update(): void {
    const { cell } = this.place;
    const wanted =
      this.preferences.choices.promptCells && isPrompt(cell.model.sharedModel.getSource());
    this.setType(wanted);
    if (wanted !== this.isPrompt) {
      this.isPrompt = wanted;
      cell.toggleClass('aoai-mod-prompt', wanted);
      const code = this.place.panel.content.editorConfig.code;
      cell.updateEditorConfig(wanted ? PROSE_OPTIONS : restored(code));
    }
    this.drawMark();
  }

  private setType(isPrompt: boolean): void {
    const { model } = this.place.cell;
    if (model.mimeType !== MARKDOWN) {
      this.codeType = model.mimeType;
    }
    const wanted = isPrompt ? MARKDOWN : this.codeType;
    if (model.mimeType !== wanted) {
      model.mimeType = wanted;
    }
  }

  private drawMark(): void {
    const { cell } = this.place;
    if (!this.isPrompt || !this.preferences.choices.mark) {
      this.mark.remove();
      return;
    }
    const isOneLine = !cell.model.sharedModel.getSource().includes('\n');
    this.mark.classList.toggle('aoai-mod-oneLine', isOneLine);
    this.mark.textContent = this.describe();
    if (!this.mark.isConnected) {
      // There is no input area before the cell has come near the window.
      cell.inputArea?.node.append(this.mark);
    }
  }

  /** Say which thread goes on and where: what the line says, else what the last run says. */
  private describe(): string {
    const { cell } = this.place;
    const line = readMagicLine(cell.model.sharedModel.getSource());
    const turn = findRecord(cell.model.outputs);
    const thread = line?.thread ?? (line?.isNew ? this.trans.__('new thread') : null);
    const facts = [thread, line?.target ?? turn?.target, line?.model];
    return facts.filter(fact => fact).join(' · ') || this.trans.__('assistant');
  }

  private readonly mark = document.createElement('div');
  private codeType: string;
  private isPrompt = false;
}

/** The notebook's own values of the options that a prompt changes. */
function restored(config: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.keys(PROSE_OPTIONS).map(name => [name, config[name]]));
}
