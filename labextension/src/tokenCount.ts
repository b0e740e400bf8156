/** Counts the tokens of the answers in the current notebook, in the status bar. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';
import { eachNotebook } from './cells.js';
import { commandId } from './commands.js';
import { element } from './dom.js';
import { findRecord } from './record.js';
import { texts } from './texts.js';
import { tokens } from './words.js';

export const tokenCount: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:token-count',
  description: 'Counts the tokens of the answers in the current notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  // Notebook 7 has no status bar.
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    if (!statusBar) {
      return;
    }
    const trans = texts(translator);
    const text = element('button', 'jp-StatusBar-TextItem aoai-Status');
    const item = new Widget({ node: element('div', '', text) });
    item.title.caption = trans.__('Tokens of the answers in this notebook; opens the panel');
    text.title = item.title.caption;
    text.type = 'button';
    text.addEventListener('click', () => void app.commands.execute(commandId('show-panel')));
    const update = (): void => {
      const count = total(tracker);
      text.textContent = count ? trans.__('Assistant: %1', tokens(count, trans)) : '';
      item.setHidden(!count);
    };
    tracker.currentChanged.connect(update);
    NotebookActions.executed.connect(update);
    eachNotebook(tracker, update);
    statusBar.registerStatusItem('aoai-magic:token-count', { item, align: 'right', rank: 20 });
  }
};

function total(tracker: INotebookTracker): number {
  const cells = tracker.currentWidget?.content.widgets ?? [];
  return cells.reduce((sum, cell) => {
    const turn = cell instanceof CodeCell ? findRecord(cell.model.outputs) : null;
    return sum + (turn ? turn.usage.input_tokens + turn.usage.output_tokens : 0);
  }, 0);
}
