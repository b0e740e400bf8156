/** Draws long answers whole. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { eachCodeCell } from './cells.js';
import { isPrompt } from './prompt.js';

/** More than any turn has: its end would be missing, and the Stop button with it. */
const OUTPUTS = 1000;

/** JupyterLab draws the first 50 outputs of a cell; each step of an answer is some of them. */
export const longAnswers: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:long-answers',
  description: 'Draws all outputs of assistant cells.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    eachCodeCell(tracker, ({ cell }) => {
      const widen = (): void => {
        const { model, outputArea } = cell;
        const isCut = outputArea.widgets.length > outputArea.maxNumberOutputs;
        // Not before: the setter expects the note that some are left out.
        if (isCut && isPrompt(model.sharedModel.getSource())) {
          outputArea.maxNumberOutputs = OUTPUTS;
        }
      };
      cell.model.outputs.changed.connect(widen);
      void cell.ready.then(widen);
    });
  }
};
