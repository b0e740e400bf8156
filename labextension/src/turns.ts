/** Shows the record of a turn as a line with actions, and its files as chips, in notebooks. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { activate, type IPlace, placeOf } from './cells.js';
import { decode } from './dom.js';
import { FilesView, type INotebookAround } from './filesView.js';
import { changeOf } from './changes.js';
import { zoom } from './pictureDialog.js';
import { FILES_TYPE, findRecord, MEDIA_TYPE, pictures, type TurnFile } from './record.js';
import { saveAndOpen } from './results.js';
import { kernelSource, savedSource, type TableSource } from './tableSource.js';
import { texts } from './texts.js';
import { askFurther } from './turnCommands.js';
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
        createRenderer: () => new FilesView(notebookAround(app, tracker, trans), trans)
      },
      0
    );
  }
};

function notebookAround(
  app: JupyterFrontEnd,
  tracker: INotebookTracker,
  trans: TranslationBundle
): INotebookAround {
  return {
    opener: node => {
      const place = placeOf(tracker, node);
      if (!place) {
        return null;
      }
      return file => {
        saveAndOpen(app, place.panel.context.path, file, trans).catch((reason: unknown) =>
          showErrorMessage(trans.__('The file could not be opened'), String(reason))
        );
      };
    },
    sources: (file, node) => {
      const place = placeOf(tracker, node);
      return place ? tableSources(file, place, trans) : [];
    }
  };
}

/** The kernel, which has the whole table as it came; then a small text that is saved here. */
function tableSources(file: TurnFile, place: IPlace, trans: TranslationBundle): TableSource[] {
  const turn = findRecord(place.cell.model.outputs);
  const hash = turn?.files.find(one => one.name === file.name)?.sha256;
  const { sessionContext } = place.panel;
  const silence = trans.__('The whole table is with the kernel, which is busy or not running.');
  const separator = /\.csv$/i.test(file.name) ? ',' : /\.tsv$/i.test(file.name) ? '\t' : null;
  const isSaved = separator !== null && file.data !== null;
  return [
    ...(hash ? [kernelSource(sessionContext, file.name, hash, silence)] : []),
    ...(isSaved ? [savedSource(new TextDecoder().decode(decode(file.data ?? '')), separator)] : [])
  ];
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
    tables: node => {
      const drawn = placeOf(tracker, node)?.cell.node.querySelectorAll<HTMLTableElement>(
        '.jp-RenderedMarkdown table'
      );
      // Tables of the work are within its fold.
      const shown = [...(drawn ?? [])].filter(table => !table.closest('details'));
      return shown.sort((one, other) => other.rows.length - one.rows.length);
    },
    ask: (question, node) => {
      const place = placeOf(tracker, node);
      if (place) {
        activate(place);
        void askFurther(place, question);
      }
    },
    isInNotebook: node => placeOf(tracker, node) !== null,
    zoom: picture => void zoom(picture, trans)
  };
}
