/** Shows the record of a turn as a line with actions, and its files as chips, in notebooks. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { activate, placeOf } from './cells.js';
import { FilesView, type OpenFile } from './filesView.js';
import { changeOf } from './changes.js';
import { zoom } from './pictureDialog.js';
import { FILES_TYPE, MEDIA_TYPE, pictures } from './record.js';
import { saveAndOpen } from './results.js';
import { texts } from './texts.js';
import { type ISurroundings, TurnView } from './turnView.js';

export const turns: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:turns',
  description: 'Shows what an answer is and what can be done with it.',
  autoStart: true,
  requires: [IRenderMimeRegistry, INotebookTracker],
  optional: [ITranslator],
  activate: (
    app: JupyterFrontEnd,
    rendermime: IRenderMimeRegistry,
    tracker: INotebookTracker,
    translator: ITranslator | null
  ) => {
    const trans = texts(translator);
    const around = surroundings(app, tracker, trans);
    rendermime.addFactory(
      {
        // Nothing of the record becomes markup, so untrusted notebooks may show it.
        safe: true,
        mimeTypes: [MEDIA_TYPE],
        createRenderer: () => new TurnView(around, trans)
      },
      0
    );
    rendermime.addFactory(
      {
        safe: true,
        mimeTypes: [FILES_TYPE],
        createRenderer: () => new FilesView(fileOpener(app, tracker, trans), trans)
      },
      0
    );
  }
};

function fileOpener(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  trans: TranslationBundle
): OpenFile {
  return node => {
    const place = placeOf(tracker, node);
    if (!place) {
      return null;
    }
    return file => {
      saveAndOpen(app, place.panel.context.path, file, trans).catch((reason: unknown) =>
        showErrorMessage(trans.__('The file could not be opened'), String(reason))
      );
    };
  };
}

function surroundings(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  trans: TranslationBundle
): ISurroundings {
  return {
    run: (command, node) => {
      const place = placeOf(tracker, node);
      if (place) {
        activate(place);
        void app.commands.execute(command);
      }
    },
    pictures: (turn, node) => {
      const place = placeOf(tracker, node);
      return place ? pictures(turn, place.cell.model.outputs) : [];
    },
    hasChange: (turn, node) => {
      const place = placeOf(tracker, node);
      return place !== null && changeOf(place, turn) !== null;
    },
    isInNotebook: node => placeOf(tracker, node) !== null,
    zoom: picture => void zoom(picture, trans)
  };
}
