/** Attaches files that are dragged from the file browser into a prompt. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { PathExt } from '@jupyterlab/coreutils';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { Drag } from '@lumino/dragdrop';
import { eachNotebook, type IPlace, placeOf } from './cells.js';
import { canMention, isPrompt, withItem } from './prompt.js';

const PATHS = 'application/x-jupyter-icontents';

export const fileDrop: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:file-drop',
  description: 'Attaches files that are dragged into a prompt.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    const target = (event: Drag.Event): IPlace | null => {
      const place = event.mimeData.hasData(PATHS) ? placeOf(tracker, event.target as Node) : null;
      return place && isPrompt(place.cell.model.sharedModel.getSource()) ? place : null;
    };
    const accept = (event: Event): void => {
      if (target(event as Drag.Event)) {
        event.preventDefault();
        event.stopPropagation();
        (event as Drag.Event).dropAction = (event as Drag.Event).proposedAction;
      }
    };
    const drop = (event: Event): void => {
      const place = target(event as Drag.Event);
      if (place) {
        accept(event);
        attach(place, event as Drag.Event);
      }
    };
    eachNotebook(tracker, panel => {
      // Captured, as the notebook itself takes other things that are dragged over it.
      panel.node.addEventListener('lm-dragenter', accept, true);
      panel.node.addEventListener('lm-dragover', accept, true);
      panel.node.addEventListener('lm-drop', drop, true);
    });
  }
};

function attach(place: IPlace, event: Drag.Event): void {
  const folder = PathExt.dirname(place.panel.context.path);
  for (const dragged of event.mimeData.getData(PATHS) as string[]) {
    const path = PathExt.relative(`/${folder}`, `/${dragged.replace(/^[^:/]+:/, '')}`);
    if (canMention(path) && isBelowFirstLine(place, event)) {
      mention(place, path, event);
    } else {
      name(place, path);
    }
  }
}

function isBelowFirstLine({ cell }: IPlace, event: Drag.Event): boolean {
  return (positionOf(cell, event)?.line ?? 0) > 0;
}

/** Write `@path` where the file was dropped. */
function mention({ cell }: IPlace, path: string, event: Drag.Event): void {
  const position = positionOf(cell, event);
  const { sharedModel } = cell.model;
  const offset = position && cell.editor ? cell.editor.getOffsetAt(position) : 0;
  const before = sharedModel.getSource().slice(0, offset);
  const gap = /(^|\s)$/.test(before) ? '' : ' ';
  sharedModel.updateSource(offset, offset, `${gap}@${path} `);
}

/** Add the file to the items of the magic line, where it can be quoted. */
function name({ cell: { model } }: IPlace, path: string): void {
  model.sharedModel.setSource(withItem(model.sharedModel.getSource(), `@${path}`));
}

function positionOf(
  cell: IPlace['cell'],
  { clientX: x, clientY: y }: Drag.Event
): { line: number; column: number } | null {
  return cell.editor?.getPositionForCoordinate(new DOMRect(x, y)) ?? null;
}
