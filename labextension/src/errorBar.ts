/** Puts Explain and Fix below the error of a cell. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { isError } from '@jupyterlab/nbformat';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { bugIcon, infoIcon } from '@jupyterlab/ui-components';
import { activate, eachCodeCell, type IPlace } from './cells.js';
import { commandId } from './commands.js';
import { button, element } from './dom.js';
import { isPrompt } from './prompt.js';
import { texts } from './texts.js';

export const errorBar: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:error-bar',
  description: 'Offers to explain and to fix the error of a cell.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null
  ): void => {
    const trans = texts(translator);
    eachCodeCell(tracker, place => {
      const run = (command: string) => (): void => {
        activate(place);
        void app.commands.execute(commandId(command));
      };
      const bar = makeBar(run, trans);
      const update = (): void => {
        if (!isFailed(place)) {
          bar.remove();
        } else if (!bar.isConnected) {
          place.cell.node.querySelector('.jp-Cell-outputWrapper')?.after(bar);
        }
      };
      place.cell.model.outputs.changed.connect(update);
      void place.cell.ready.then(update);
    });
  }
};

function makeBar(run: (command: string) => () => void, trans: TranslationBundle): HTMLElement {
  const explain = trans.__('Have the assistant explain this error');
  const fix = trans.__('Have the assistant suggest a corrected cell');
  const bar = element(
    'div',
    'aoai-Bar aoai-ErrorBar',
    button(infoIcon, trans.__('Explain'), run('explain'), explain),
    button(bugIcon, trans.__('Fix'), run('fix'), fix)
  );
  bar.setAttribute('role', 'group');
  bar.setAttribute('aria-label', trans.__('About this error'));
  return bar;
}

function isFailed({ cell }: IPlace): boolean {
  const isOurs = isPrompt(cell.model.sharedModel.getSource());
  return !isOurs && cell.model.outputs.toJSON().some(isError);
}
