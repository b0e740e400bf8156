/** Puts the static form in place of widgets whose kernel side is gone. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { CodeCell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { OutputArea } from '@jupyterlab/outputarea';
import type { IOutputModel } from '@jupyterlab/rendermime';
import type { JSONObject, ReadonlyPartialJSONObject } from '@lumino/coreutils';
import { eachNotebook } from './cells.js';
import { fence } from './prompt.js';

const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';
const STATE = 'application/vnd.jupyter.widget-state+json';
const LIVE = '.aoai-live';
const ENDED = new Set(['autorestarting', 'dead', 'restarting', 'terminating']);

/**
 * A run that was cut off (kernel died, page closed) leaves a live view in the file. A trusted
 * notebook shows "model not found" for it, though the static form is saved beside it. While the
 * page is open, what the view shows when its kernel ends is kept as that form.
 */
export const heal: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:heal',
  description: 'Shows the saved form of answers whose live view is gone.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    eachNotebook(tracker, panel => {
      void healNotebook(panel);
      // The widgets' own manager hears of the end too, and has to be done with them.
      const salvage = (): unknown => setTimeout(() => panel.isDisposed || salvageNotebook(panel));
      panel.sessionContext.kernelChanged.connect((_, { oldValue }) => oldValue && salvage());
      panel.sessionContext.statusChanged.connect((_, status) => ENDED.has(status) && salvage());
    });
  }
};

/** Keep what the live views of a notebook show, now that nothing more will come. */
function salvageNotebook(panel: NotebookPanel): void {
  const found = outputAreas(panel).flatMap(({ model, widgets }) =>
    widgets.flatMap(({ node }, place) => {
      const live = node.querySelector(LIVE);
      const output = model.get(place);
      return live && output.data[WIDGET_VIEW] ? [{ output, text: shown(live) }] : [];
    })
  );
  // From the last one: a change of the first makes JupyterLab draw all outputs of the cell again.
  for (const { output, text } of found.reverse()) {
    output.setData({ data: salvaged(output, text), metadata: output.metadata });
  }
}

/** The static form of what an output showed; as it is drawn no more, it stands as plain text. */
function salvaged({ data }: IOutputModel, text: string): JSONObject {
  const [marked, plain] = [String(data['text/markdown'] ?? ''), String(data['text/plain'] ?? '')];
  return {
    'text/markdown': text ? `${fence(text, 'text')}\n\n${marked}` : marked,
    'text/plain': text ? `${text}\n\n${plain}` : plain
  };
}

/** The words of a live view without its state and its button. */
function shown(live: Element): string {
  const found = Array.from(live.querySelectorAll<HTMLElement>('.aoai-head, .aoai-prose, pre'));
  const outer = found.filter(one => !one.parentElement?.closest('.aoai-prose'));
  return outer.map(one => one.innerText.trimEnd()).join('\n');
}

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
  const outputs = outputAreas(panel).flatMap(({ model }) =>
    Array.from({ length: model.length }, (_, place) => model.get(place))
  );
  return outputs.filter(
    output =>
      WIDGET_VIEW in output.data && 'text/markdown' in output.data && !(modelId(output) in saved)
  );
}

function outputAreas(panel: NotebookPanel): OutputArea[] {
  const cells = panel.content.widgets.filter(cell => cell instanceof CodeCell);
  return cells.map(cell => cell.outputArea);
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
