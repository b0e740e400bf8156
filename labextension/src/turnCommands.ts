/** Commands for an answer that stands in the active cell. */
import { Clipboard, Notification } from '@jupyterlab/apputils';
import { type INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { activePlace, type IPlace } from './cells.js';
import { changeOf, showChange } from './changes.js';
import { commandPlugin, mapped } from './commands.js';
import { isConfirmed, showRefusal } from './dialogs.js';
import { insertBelow, insertPrompt } from './insert.js';
import { askPatiently } from './kernel.js';
import { inThread, readMagicLine } from './prompt.js';
import { answer, canFork, findRecord, type TurnRecord } from './record.js';

interface IAction {
  readonly label: string;
  readonly isEnabled?: (turn: TurnRecord, place: IPlace) => boolean;
  readonly execute: (place: IPlace, turn: TurnRecord) => void | Promise<void>;
}

export const turnCommands = commandPlugin(
  'aoai-magic:turn-commands',
  'Commands for the answer in the active cell.',
  (tracker, trans) =>
    mapped(actions(trans), action => ({
      label: action.label,
      isEnabled: () => {
        const found = activeTurn(tracker);
        return found !== null && (action.isEnabled?.(found.turn, found.place) ?? true);
      },
      execute: async () => {
        const found = activeTurn(tracker);
        if (found) {
          await action.execute(found.place, found.turn);
        }
      }
    }))
);

function actions(trans: TranslationBundle): Record<string, IAction> {
  return {
    'copy-answer': {
      label: trans.__('Copy the Answer'),
      execute: (_, turn) => {
        Clipboard.copyToSystem(answer(turn));
        Notification.success(trans.__('Answer copied.'), { autoClose: 2_000 });
      }
    },
    'insert-code': {
      label: trans.__('Insert the Code of the Answer Below'),
      isEnabled: turn => !!turn.cell,
      execute: insertCode
    },
    'show-change': {
      label: trans.__('Show the Suggested Change of the Cell'),
      isEnabled: (turn, place) => changeOf(place, turn) !== null,
      execute: (place, turn) => {
        const change = changeOf(place, turn);
        if (change) {
          showChange(change, trans);
        }
      }
    },
    continue: { label: trans.__('Ask a Follow-up'), execute: place => askFurther(place) },
    fork: {
      label: trans.__('Fork the Thread After This Answer'),
      isEnabled: canFork,
      execute: (place, turn) => fork(place, turn, trans)
    },
    'ask-again': { label: trans.__('Ask Again'), execute: askAgain }
  };
}

function activeTurn(tracker: INotebookTracker): { place: IPlace; turn: TurnRecord } | null {
  const place = activePlace(tracker);
  const turn = place && findRecord(place.cell.model.outputs);
  return place && turn ? { place, turn } : null;
}

function insertCode({ panel }: IPlace, turn: TurnRecord): void {
  insertBelow(panel.content, (turn.cell ?? '').trimEnd());
}

/** Put a prompt of the same thread into a new cell below. */
export async function askFurther({ panel, cell }: IPlace, text = ''): Promise<void> {
  const line = readMagicLine(cell.model.sharedModel.getSource());
  await insertPrompt(panel.content, inThread(line?.thread, line?.target), text);
}

/** Copy the thread as far as this answer, and ask further in the copy. */
async function fork(
  { panel, cell }: IPlace,
  turn: TurnRecord,
  trans: TranslationBundle
): Promise<void> {
  const line = readMagicLine(cell.model.sharedModel.getSource());
  const { thread, target } = turn;
  const parts = turn.parts.map(part => part.id);
  const question = { fork: line?.thread ?? 'fork', target, thread, parts };
  let reply = await askPatiently<'named'>(panel.sessionContext, question);
  if (reply?.question !== undefined) {
    // The record is whoever's the notebook is, and the kernel does not know its server.
    const title = trans.__('Fork on another server?');
    if (!(await isConfirmed(title, reply.question, trans.__('Fork'), trans))) {
      return;
    }
    const agreed = { ...question, agreed: target };
    reply = await askPatiently<'named'>(panel.sessionContext, agreed);
  }
  if (reply?.name === undefined) {
    await showRefusal(
      trans.__('Could not fork the conversation'),
      reply,
      panel.sessionContext,
      trans
    );
    return;
  }
  await insertPrompt(panel.content, inThread(reply.name, line?.target));
}

async function askAgain({ panel }: IPlace): Promise<void> {
  panel.content.deselectAll();
  await NotebookActions.run(panel.content, panel.sessionContext);
}
