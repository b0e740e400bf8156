/** Puts the side panel in its place and does what is asked for there. */
import {
  ILayoutRestorer,
  type JupyterFrontEnd,
  type JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { Dialog, ICommandPalette, showDialog } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { activePlace } from './cells.js';
import { askIcon } from './icons.js';
import { edit, insertBelow } from './insert.js';
import { askKernel } from './kernel.js';
import { type IThread, readOverview } from './overview.js';
import { PanelView } from './panelView.js';
import { isPrompt, quote, withItem, writePrompt } from './prompt.js';
import { texts } from './texts.js';

const COMMAND = 'aoai-magic:show-panel';
const waiting = new WeakSet<NotebookPanel>();

export const panel: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:panel',
  description: "Shows the kernel's data, threads and uploaded files.",
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ILayoutRestorer, ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = texts(translator);
    const view = makeView(tracker, trans);
    view.title.icon = askIcon;
    app.shell.add(view, 'right', { rank: 900, type: 'Assistant' });
    restorer?.add(view, view.id);
    app.commands.addCommand(COMMAND, {
      label: trans.__('Show the Assistant Panel'),
      execute: () => app.shell.activateById(view.id)
    });
    palette?.addItem({ command: COMMAND, category: trans.__('Assistant') });
  }
};

function makeView(tracker: INotebookTracker, trans: TranslationBundle): PanelView {
  const inNotebook = (act: (notebook: NotebookPanel) => unknown): void => {
    if (tracker.currentWidget) {
      void act(tracker.currentWidget);
    }
  };
  const refresh = (): void => {
    if (view.isVisible) {
      void update(view, tracker, trans);
    }
  };
  const view = new PanelView(
    {
      refresh,
      attach: name => attach(tracker, name),
      ask: thread => inNotebook(notebook => askIn(notebook, thread)),
      deleteFiles: files => inNotebook(notebook => deleteFiles(notebook, files.length, trans))
    },
    trans
  );
  tracker.currentChanged.connect(refresh);
  NotebookActions.executed.connect(refresh);
  return view;
}

async function update(
  view: PanelView,
  tracker: INotebookTracker,
  trans: TranslationBundle
): Promise<void> {
  const notebook = tracker.currentWidget;
  if (!notebook) {
    view.say(trans.__('Open a notebook to see its threads and data here.'));
    return;
  }
  const reply = await askKernel(notebook.sessionContext, { overview: true });
  // The answer may come after another notebook was chosen.
  if (view.isDisposed || notebook !== tracker.currentWidget) {
    return;
  }
  const told = reply && readOverview(reply);
  if (told) {
    view.draw(told);
  } else if (reply) {
    view.say(trans.__('The assistant is not loaded here; run: %1', '%load_ext aoai_magic'));
  } else {
    if (view.isEmpty) {
      view.say(trans.__('The kernel is busy, or there is none that could answer.'));
    }
    onceIdle(notebook, () => update(view, tracker, trans));
  }
}

/** Call `act` when the kernel is idle again, once however often this was called. */
function onceIdle(notebook: NotebookPanel, act: () => unknown): void {
  const { statusChanged } = notebook.sessionContext;
  const wait = (_: unknown, status: string): void => {
    if (status === 'idle') {
      waiting.delete(notebook);
      statusChanged.disconnect(wait);
      void act();
    }
  };
  if (!waiting.has(notebook)) {
    waiting.add(notebook);
    statusChanged.connect(wait);
  }
}

function attach(tracker: INotebookTracker, name: string): void {
  const place = activePlace(tracker);
  const source = place?.cell.model.sharedModel.getSource() ?? '';
  if (place && isPrompt(source)) {
    place.cell.model.sharedModel.setSource(withItem(source, name));
  } else if (tracker.currentWidget) {
    insertBelow(tracker.currentWidget.content, writePrompt([quote(name)], ''));
    void edit(tracker.currentWidget.content, 1);
  }
}

async function askIn({ content }: NotebookPanel, { name, target }: IThread): Promise<void> {
  const words = [...(name ? ['-t', quote(name)] : []), '--on', quote(target)];
  insertBelow(content, writePrompt(words, ''));
  await edit(content, 1);
}

/** Done by a cell, so that the notebook says what was done. */
async function deleteFiles(
  notebook: NotebookPanel,
  count: number,
  trans: TranslationBundle
): Promise<void> {
  const { button } = await showDialog({
    title: trans.__('Delete uploaded files?'),
    body: trans._n(
      '%1 file is deleted on the far side.',
      '%1 files are deleted on the far side.',
      count
    ),
    buttons: [
      Dialog.cancelButton({ label: trans.__('Cancel') }),
      Dialog.warnButton({ label: trans.__('Delete') })
    ]
  });
  if (button.accept) {
    insertBelow(notebook.content, '%assistant cleanup');
    await NotebookActions.run(notebook.content, notebook.sessionContext);
  }
}
