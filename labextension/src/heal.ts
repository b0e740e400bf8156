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
/** Milliseconds after which the kernel has closed the widgets of a cell that is over. */
const GRACE = 2_000;

/** Live views, and the words that each of them shows. */
type Views = Map<IOutputModel, string>;

/**
 * A run that was cut off (kernel died, page closed) leaves a live view in the file. A trusted
 * notebook shows "model not found" for it, though the static form is saved beside it. While the
 * page is open, what the view shows when its kernel ends is kept as that form; likewise what it
 * shows when the cell ends of which this page, loaded in the middle, has not heard the rest.
 */
export const heal: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:heal',
  description: 'Shows the saved form of answers whose live view is gone.',
  autoStart: true,
  requires: [INotebookTracker],
  activate: (_, tracker: INotebookTracker) => {
    eachNotebook(tracker, panel => {
      const { sessionContext } = panel;
      void settleDead(panel, new Map(saved(panel).map(output => [output, ''])));
      sessionContext.kernelChanged.connect((_, { oldValue }) => oldValue && settle(drawn(panel)));
      sessionContext.statusChanged.connect((_, status) => {
        const views = drawn(panel);
        if (ENDED.has(status)) {
          settle(views);
        } else if (status === 'idle' && views.size) {
          setTimeout(() => void settleDead(panel, views), GRACE);
        }
      });
    });
  }
};

/** Put the static form in the place of those views whose widgets the kernel does not know. */
async function settleDead(panel: NotebookPanel, views: Views): Promise<void> {
  const alive = views.size && !panel.isDisposed ? await aliveModels(panel) : null;
  if (alive && !panel.isDisposed) {
    settle(new Map([...views].filter(([output]) => !alive.has(modelId(output)))));
  }
}

/** Put the static form, with the words that they showed, in the place of views. */
function settle(views: Views): void {
  // From the last one: a change of the first makes JupyterLab draw all outputs of the cell again.
  for (const [output, text] of [...views].reverse()) {
    if (WIDGET_VIEW in output.data) {
      output.setData({ data: settled(output, text), metadata: output.metadata });
    }
  }
}

/** The views of ours that stand in the page. */
function drawn(panel: NotebookPanel): Views {
  const found = outputAreas(panel).flatMap(({ model, widgets }) =>
    widgets.flatMap(({ node }, place): [IOutputModel, string][] => {
      const live = node.querySelector(LIVE);
      return live ? [[model.get(place), shown(live)]] : [];
    })
  );
  return new Map(found);
}

/** The static form of what an output showed; as it is drawn no more, it stands as plain text. */
function settled({ data }: IOutputModel, text: string): JSONObject {
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
  const outputs = outputAreas(panel).flatMap(({ model }) =>
    Array.from({ length: model.length }, (_, place) => model.get(place))
  );
  return outputs.filter(
    output =>
      WIDGET_VIEW in output.data && 'text/markdown' in output.data && !(modelId(output) in states)
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
