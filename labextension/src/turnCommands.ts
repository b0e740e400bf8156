/** Commands for an answer that stands in the active cell. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { Clipboard, ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';
import { activePlace, type IPlace } from './cells.js';
import { edit, insertBelow } from './insert.js';
import { askKernel } from './kernel.js';
import { attached, quote, readMagicLine, writePrompt } from './prompt.js';
import { answer, finalCells, findRecord, type TurnRecord } from './record.js';
import { texts } from './texts.js';

type Action = (place: IPlace, turn: TurnRecord) => void | Promise<void>;

export const turnCommands: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:turn-commands',
  description: 'Commands for the answer in the active cell.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = texts(translator);
    const add = (name: string, label: string, action: Action): void => {
      const command = `aoai-magic:${name}`;
      app.commands.addCommand(command, {
        label,
        isEnabled: () => activeTurn(tracker) !== null,
        execute: async () => {
          const found = activeTurn(tracker);
          if (found) {
            await action(found.place, found.turn);
          }
        }
      });
      palette?.addItem({ command, category: trans.__('Assistant') });
    };
    add('copy-answer', trans.__('Copy the Answer'), (_, turn) =>
      Clipboard.copyToSystem(answer(turn))
    );
    add('insert-code', trans.__('Insert the Code of the Answer Below'), insertCode);
    add('continue', trans.__('Ask Further in the Same Thread'), askFurther);
    add('ask-again', trans.__('Ask Again'), askAgain);
  }
};

function activeTurn(tracker: INotebookTracker): { place: IPlace; turn: TurnRecord } | null {
  const place = activePlace(tracker);
  const turn = place && findRecord(place.cell.model.outputs);
  return place && turn ? { place, turn } : null;
}

/** The kernel knows what the sandbox's files are here; without it only their folder goes. */
async function insertCode({ panel, cell }: IPlace, turn: TurnRecord): Promise<void> {
  const cells = finalCells(turn);
  const items = attached(cell.model.sharedModel.getSource());
  const reply = await askKernel(panel.sessionContext, { cells, items });
  const code = typeof reply?.cell === 'string' ? reply.cell : cells.join('\n\n');
  insertBelow(panel.content, code.replaceAll('/mnt/data/', '').trimEnd());
}

async function askFurther({ panel, cell }: IPlace): Promise<void> {
  const line = readMagicLine(cell.model.sharedModel.getSource());
  const words = [
    ...(line?.thread ? ['-t', quote(line.thread)] : []),
    ...(line?.target ? ['--on', quote(line.target)] : [])
  ];
  insertBelow(panel.content, writePrompt(words, ''));
  await edit(panel.content, 1);
}

async function askAgain({ panel }: IPlace): Promise<void> {
  panel.content.deselectAll();
  await NotebookActions.run(panel.content, panel.sessionContext);
}
