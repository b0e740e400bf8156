/** Puts the side panel in its place and does what is asked for there. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { JSONObject } from '@lumino/coreutils';
import { activePlace } from './cells.js';
import { commandAdder, commandId } from './commands.js';
import { isConfirmed, showRefusal } from './dialogs.js';
import { download } from './dom.js';
import { askIcon } from './icons.js';
import { insertBelow, insertPrompt } from './insert.js';
import { askKernel, askPatiently, type Kind, type Reply } from './kernel.js';
import { pictureType, safeName } from './names.js';
import { type IFarFile, type Overview, readOverview } from './overview.js';
import { type IPanelActions, PanelView } from './panelView.js';
import { zoom } from './pictureDialog.js';
import { inThread, isPrompt, quote, withItem, withThread } from './prompt.js';
import { saveAndOpen } from './results.js';
import { texts } from './texts.js';

/** Bytes of a picture that may come through the kernel to be shown small. */
const LARGEST_THUMBNAIL = 1_000_000;

const waiting = new WeakSet<NotebookPanel>();

export const panel: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:panel',
  description: "Shows the kernel's data and threads, and what the server holds.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ILayoutRestorer, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = texts(translator);
    const shown = new Panel(app, tracker, trans);
    const { view } = shown;
    app.commands.commandExecuted.connect((_, { id, result }) => {
      if (id === commandId('fork')) {
        void result.then(() => shown.refresh());
      }
    });
    view.title.icon = askIcon;
    app.shell.add(view, 'right', { rank: 900, type: 'Assistant' });
    restorer?.add(view, view.id);
    commandAdder(
      app,
      palette,
      trans
    )('show-panel', {
      label: trans.__('Show the Assistant Panel'),
      execute: () => app.shell.activateById(view.id)
    });
  }
};

/** The panel of the current notebook. */
class Panel implements IPanelActions {
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly tracker: INotebookTracker,
    private readonly trans: TranslationBundle
  ) {
    this.view = new PanelView(this, trans);
    tracker.currentChanged.connect(this.refresh, this);
    NotebookActions.executed.connect(this.refresh, this);
  }

  readonly view: PanelView;

  refresh(): void {
    if (this.view.isVisible) {
      void this.update();
    }
  }

  openSettings(): void {
    const query = this.trans.__('Assistant Cells');
    void this.app.commands.execute('settingeditor:open', { query });
  }

  attach(name: string): void {
    this.write([quote(name)], source => withItem(source, name));
    this.tracker.activeCell?.editor?.focus();
  }

  ask({ name, target }: { name: string; target: string }): void {
    const elsewhere = target === this.told?.target ? null : target;
    this.write(inThread(name, elsewhere), source =>
      name ? withThread(source, name, elsewhere) : source
    );
  }

  async adopt({ id }: { id: string }): Promise<void> {
    const reply = await this.question<'named'>({ adopt: id });
    if (reply?.name !== undefined) {
      this.ask({ name: reply.name, target: this.told?.target ?? '' });
      this.refresh();
    }
  }

  async deleteThread(thread: { id: string; target: string }, title: string): Promise<void> {
    const { trans } = this;
    await this.confirmed(
      trans.__('Delete the conversation %1?', title),
      trans.__('What was said in it is deleted on the server, with its session and variables.'),
      trans.__('Delete'),
      { deleteThread: thread.id, target: thread.target }
    );
  }

  async endSession({ id }: { id: string }): Promise<void> {
    const { trans } = this;
    await this.confirmed(
      trans.__('Close the session?'),
      trans.__('Its variables are lost; its files are kept, and the thread can go on.'),
      trans.__('Close'),
      { endSession: id }
    );
  }

  async download({ id }: { id: string }): Promise<void> {
    const reply = await this.question<'download'>({ download: id });
    if (reply?.data !== undefined) {
      download(safeName(reply.name ?? ''), reply.data);
    }
  }

  /** Enlarge a picture; save any other file beside the notebook, and open it. */
  async open(file: IFarFile): Promise<void> {
    const notebook = this.tracker.currentWidget;
    const reply = await this.question<'download'>({ download: file.id });
    const mediaType = pictureType(file.name);
    if (!notebook || reply?.data === undefined) {
      return;
    }
    if (mediaType) {
      await zoom({ name: file.name, mediaType, data: reply.data }, this.trans);
    } else {
      const opened = { name: file.name, data: reply.data };
      await saveAndOpen(this.app, notebook.context.path, opened, this.trans);
    }
  }

  async picture(file: IFarFile): Promise<string | null> {
    const session = this.tracker.currentWidget?.sessionContext;
    if (!this.thumbnails.has(file.id) && session && file.bytes <= LARGEST_THUMBNAIL) {
      const reply = await askPatiently<'download'>(session, { download: file.id });
      if (reply?.data !== undefined) {
        this.thumbnails.set(file.id, reply.data);
      }
    }
    return this.thumbnails.get(file.id) ?? null;
  }

  async deleteFile({ id, name }: { id: string; name: string }): Promise<void> {
    const { trans } = this;
    await this.confirmed(
      trans.__('Delete the file %1?', name),
      trans.__('It is deleted on the server; nothing is deleted here.'),
      trans.__('Delete'),
      { deleteFile: id }
    );
  }

  /** Done by a cell, which shows what goes and asks, so that the notebook says what was done. */
  async cleanUp(): Promise<void> {
    const notebook = this.tracker.currentWidget;
    if (notebook) {
      insertBelow(notebook.content, '%assistant cleanup');
      await NotebookActions.run(notebook.content, notebook.sessionContext);
    }
  }

  private async confirmed(
    title: string,
    body: string,
    action: string,
    question: JSONObject
  ): Promise<void> {
    if (await isConfirmed(title, body, action, this.trans)) {
      await this.question<'done'>(question);
      this.refresh();
    }
  }

  /** Ask the kernel for something that the user wants; say so where it is refused. */
  private async question<K extends Kind>(question: JSONObject): Promise<Reply<K>> {
    const session = this.tracker.currentWidget?.sessionContext;
    const reply = session ? await askPatiently<K>(session, question) : null;
    if (reply === null || reply.error !== undefined) {
      await showRefusal(this.trans.__('The request failed'), reply, session, this.trans);
    }
    return reply;
  }

  /** Change the active prompt, or write a new one where none is active. */
  private write(words: string[], change: (source: string) => string): void {
    const place = activePlace(this.tracker);
    const source = place?.cell.model.sharedModel.getSource() ?? '';
    const notebook = this.tracker.currentWidget;
    if (place && isPrompt(source)) {
      place.cell.model.sharedModel.setSource(change(source));
    } else if (notebook) {
      void insertPrompt(notebook.content, words);
    }
  }

  private async update(): Promise<void> {
    const { trans, view } = this;
    const notebook = this.tracker.currentWidget;
    if (!notebook) {
      view.say(trans.__('Open a notebook to see its data and conversations here.'));
      return;
    }
    const reply = await askKernel<'overview'>(notebook.sessionContext, { overview: true });
    if (!this.isCurrent(notebook)) {
      return;
    }
    const told = reply?.overview ? readOverview(reply.overview) : null;
    if (told) {
      this.told = told;
      await this.drawWhole(notebook, told);
    } else if (reply?.overview) {
      view.say(trans.__('The kernel has another version of aoai_magic than JupyterLab.'));
    } else if (reply) {
      view.say(
        reply.error ?? trans.__('The assistant is not loaded here; run: %1', '%load_ext aoai_magic')
      );
    } else {
      if (view.isEmpty) {
        view.say(trans.__('The kernel is busy, or there is none that could answer.'));
      }
      onceIdle(notebook, () => this.update());
    }
  }

  /** Draw what the kernel knows at once, and the server when that has answered. */
  private async drawWhole(notebook: NotebookPanel, told: Overview): Promise<void> {
    const before = this.drawn === notebook ? this.far : null;
    this.view.draw(told, before);
    const reply = await askKernel<'far'>(notebook.sessionContext, { far: true });
    if (reply && this.isCurrent(notebook)) {
      this.drawn = notebook;
      this.far = reply.far ?? null;
      this.view.draw(told, this.far, reply.error);
    }
  }

  /** An answer may come after another notebook was chosen. */
  private isCurrent(notebook: NotebookPanel): boolean {
    return !this.view.isDisposed && notebook === this.tracker.currentWidget;
  }

  private readonly thumbnails = new Map<string, string>();
  private told: Overview | null = null;
  private far: Parameters<PanelView['draw']>[1] = null;
  private drawn: NotebookPanel | null = null;
}

/** Call `act` when the kernel is idle again, once however often this was called. */
function onceIdle(notebook: NotebookPanel, act: () => unknown): void {
  const { statusChanged } = notebook.sessionContext;
  const wait = (_: unknown, status: string): void => {
    if (status === 'idle') {
      waiting.delete(notebook);
      statusChanged.disconnect(wait);
      void act();
    }
  };
  if (!waiting.has(notebook)) {
    waiting.add(notebook);
    statusChanged.connect(wait);
  }
}
