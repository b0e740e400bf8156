/** Puts the static form in place of widgets whose kernel side is gone. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputModel } from '@jupyterlab/rendermime';
import type { JSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { eachNotebook } from './cells.js';

const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';
const STATE = 'application/vnd.jupyter.widget-state+json';

/**
 * A run that was cut off (kernel died, page closed) leaves a live view in the file. A trusted
 * notebook shows "model not found" for it, though the static form is saved beside it.
 */
export const heal: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:heal',
  description: 'Shows the saved form of answers whose live view is gone.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    eachNotebook(tracker, panel => {
      void healNotebook(panel);
    });
  }
};

async function healNotebook(panel: NotebookPanel): Promise<void> {
  const suspects = views(panel);
  if (!suspects.length) {
    return;
  }
  const alive = await aliveModels(panel);
  for (const output of alive ? suspects : []) {
    if (!panel.isDisposed && !alive?.has(modelId(output))) {
      const { [WIDGET_VIEW]: _, ...data } = output.data;
      output.setData({ data, metadata: output.metadata });
    }
  }
}

/** Outputs with a live view, a static form, and no state of the widget in the file. */
function views(panel: NotebookPanel): IOutputModel[] {
  const saved = savedState(panel);
  const cells = panel.content.widgets.filter(cell => cell instanceof CodeCell);
  const outputs = cells.flatMap(({ outputArea: { model } }) =>
    Array.from({ length: model.length }, (_, place) => model.get(place))
  );
  return outputs.filter(
    output =>
      WIDGET_VIEW in output.data && 'text/markdown' in output.data && !(modelId(output) in saved)
  );
}

/** Widgets that the notebook can show without a kernel. */
function savedState(panel: NotebookPanel): JSONObject {
  const widgets = panel.content.model?.getMetadata('widgets') as JSONObject | undefined;
  const saved = widgets?.[STATE] as JSONObject | undefined;
  return (saved?.state as JSONObject | undefined) ?? {};
}

/** Ids of the widgets that the kernel knows; null where it cannot say. */
async function aliveModels(panel: NotebookPanel): Promise<Set<string> | null> {
  await panel.sessionContext.ready;
  const kernel = panel.sessionContext.session?.kernel;
  if (!kernel) {
    return new Set();
  }
  const { content } = await kernel.requestCommInfo({ target_name: 'jupyter.widget' });
  return content.status === 'ok' ? new Set(Object.keys(content.comms)) : null;
}

function modelId(output: IOutputModel): string {
  const view = output.data[WIDGET_VIEW] as ReadonlyPartialJSONObject | undefined;
  return String(view?.model_id);
}
