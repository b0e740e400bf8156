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
/** Milliseconds between two looks; the kernel closes widgets a second after what they show last. */
const LOOK = 800;

/** The words that live views showed when they were last looked at. */
const words = new WeakMap<IOutputModel, string>();

/**
 * A run that was cut off (kernel died, page closed) leaves a live view in the file. A trusted
 * notebook shows "model not found" for it, though the static form is saved beside it. While the
 * page is open, what the view shows when its kernel ends is kept as that form; likewise what it
 * shows last where this page, loaded in the middle of a turn, does not hear the rest.
 */
export const heal: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:heal',
  description: 'Shows the saved form of answers whose live view is gone.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    eachNotebook(tracker, panel => {
      const { sessionContext } = panel;
      let watched = false;
      void settleDead(panel, saved(panel)).then(alive => watch(panel, alive));
      sessionContext.kernelChanged.connect((_, { oldValue }) => oldValue && settle(drawn(panel)));
      sessionContext.statusChanged.connect((_, status) => {
        if (ENDED.has(status)) {
          settle(drawn(panel));
        } else if (status === 'idle' && !watched) {
          watched = true;
          void watch(panel, drawn(panel)).finally(() => (watched = false));
        }
      });
    });
  }
};

/** Look at live views until they are gone, or frozen. */
async function watch(panel: NotebookPanel, views: IOutputModel[]): Promise<void> {
  while (views.length && !panel.isDisposed) {
    await new Promise(resolve => setTimeout(resolve, LOOK));
    const now = drawn(panel);
    const missing = outputs(panel).filter(
      output => views.includes(output) && !now.includes(output) && WIDGET_VIEW in output.data
    );
    const gone = missing.filter(output => words.has(output));
    // Of a cell that was never scrolled to nothing is drawn yet.
    const unseen = missing.filter(output => !words.has(output));
    views = [...now, ...unseen, ...(await settleDead(panel, gone))];
  }
}

/** Settle those views whose widgets the kernel does not know, and give the others. */
async function settleDead(panel: NotebookPanel, views: IOutputModel[]): Promise<IOutputModel[]> {
  const alive = views.length && !panel.isDisposed ? await aliveModels(panel) : null;
  if (!alive || panel.isDisposed) {
    return [];
  }
  settle(views.filter(output => !alive.has(modelId(output))));
  return views.filter(output => alive.has(modelId(output)));
}

/** Put the static form, with the words that they showed last, in the place of views. */
function settle(views: IOutputModel[]): void {
  // From the last one: a change of the first makes JupyterLab draw all outputs of the cell again.
  for (const output of [...views].reverse()) {
    if (WIDGET_VIEW in output.data) {
      output.setData({ data: settled(output), metadata: output.metadata });
    }
  }
}

/** The views of ours that stand in the page; their words are kept. */
function drawn(panel: NotebookPanel): IOutputModel[] {
  return outputAreas(panel).flatMap(({ model, widgets }) =>
    widgets.flatMap(({ node }, place) => {
      const live = node.querySelector(LIVE);
      if (!live) {
        return [];
      }
      words.set(model.get(place), shown(live));
      return [model.get(place)];
    })
  );
}

/** The static form of what an output showed; as it is drawn no more, it stands as plain text. */
function settled(output: IOutputModel): JSONObject {
  const { data } = output;
  const text = words.get(output);
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

/** Outputs with a live view, a static form, and no state of the widget in the file. */
function saved(panel: NotebookPanel): IOutputModel[] {
  const states = savedState(panel);
  return outputs(panel).filter(
    output =>
      WIDGET_VIEW in output.data && 'text/markdown' in output.data && !(modelId(output) in states)
  );
}

function outputs(panel: NotebookPanel): IOutputModel[] {
  return outputAreas(panel).flatMap(({ model }) =>
    Array.from({ length: model.length }, (_, place) => model.get(place))
  );
}

function outputAreas(panel: NotebookPanel): OutputArea[] {
  const widgets = panel.isDisposed ? [] : panel.content.widgets;
  const cells = widgets.filter(cell => cell instanceof CodeCell);
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
  try {
    const { content } = await kernel.requestCommInfo({ target_name: 'jupyter.widget' });
    return content.status === 'ok' ? new Set(Object.keys(content.comms)) : null;
  } catch {
    // It ended meanwhile, of which `settle` is told elsewhere.
    return null;
  }
}

function modelId(output: IOutputModel): string {
  const view = output.data[WIDGET_VIEW] as ReadonlyPartialJSONObject | undefined;
  return String(view?.model_id);
}
