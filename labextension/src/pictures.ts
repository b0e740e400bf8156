/** Enlarges pictures of answers when they are clicked. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';
import { eachNotebook, placeOf } from './cells.js';
import { zoom } from './pictureDialog.js';
import { findRecord, pictures as picturesOf } from './record.js';
import { texts } from './texts.js';

export const pictures: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:pictures',
  description: 'Enlarges pictures of answers.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator],
  activate: (_, tracker: INotebookTracker, translator: ITranslator | null) => {
    const trans = texts(translator);
    const enlarge = (event: MouseEvent): void => {
      const image = event.target;
      if (!(image instanceof HTMLImageElement) || !image.closest('.jp-RenderedImage')) {
        return;
      }
      const { outputs } = placeOf(tracker, image)?.cell.model ?? {};
      const turn = outputs && findRecord(outputs);
      const picture =
        turn && picturesOf(turn, outputs).find(one => image.src.endsWith(one.data.slice(-200)));
      if (picture) {
        void zoom(picture, trans);
      }
    };
    eachNotebook(tracker, panel => panel.node.addEventListener('click', enlarge));
  }
};
