/** Commands that ask about the active cell, in a prompt cell below it. */
import { CodeCell } from '@jupyterlab/cells';
import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { type LabIcon, bugIcon, infoIcon } from '@jupyterlab/ui-components';
import { activePlace, type IPlace } from './cells.js';
import { changeOf, showChange } from './changes.js';
import { commandPlugin, mapped } from './commands.js';
import { errorText } from './excerpt.js';
import { askIcon } from './icons.js';
import { insertBelow, insertPrompt } from './insert.js';
import { askPatiently, type Reply } from './kernel.js';
import { isPrompt, names, quote, quoteBlock } from './prompt.js';
import { findRecord } from './record.js';

const LOAD = '%load_ext aoai_magic';
/** More would make a line that nobody reads; the user can name others. */
const MOST_ITEMS = 8;

interface IQuestion {
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
  /** What is asked, and at once; empty where the user is to write it. */
  readonly text: string;
  /** Whether it is about the error of the cell. */
  readonly isOfError: boolean;
}

export const askCommands = commandPlugin(
  'aoai-magic:ask-commands',
  'Asks about a cell, explains it, or fixes it.',
  (tracker, trans) =>
    mapped(questions(trans), question => ({
      label: question.label,
      caption: question.caption,
      icon: question.icon,
      isEnabled: () => isAskable(activePlace(tracker), question),
      execute: () => ask(activePlace(tracker), question, trans)
    }))
);

function questions(trans: TranslationBundle): Record<string, IQuestion> {
  return {
    ask: {
      label: trans.__('Ask About This Cell'),
      caption: trans.__('Ask the assistant about this cell'),
      icon: askIcon,
      text: '',
      isOfError: false
    },
    explain: {
      label: trans.__('Explain This Cell'),
      caption: trans.__('Have the assistant explain this cell and its error'),
      icon: infoIcon,
      text: trans.__('Explain this cell'),
      isOfError: false
    },
    fix: {
      label: trans.__('Fix This Cell'),
      caption: trans.__('Have the assistant suggest a corrected cell'),
      icon: bugIcon,
      text: trans.__('Fix this error'),
      isOfError: true
    }
  };
}

function isAskable(place: IPlace | null, question: IQuestion): boolean {
  const source = place?.cell.model.sharedModel.getSource() ?? '';
  const hasCause = !question.isOfError || (place && errorText(place.cell) !== '');
  return !!place && !!source.trim() && !isPrompt(source) && !!hasCause;
}

async function ask(
  place: IPlace | null,
  question: IQuestion,
  trans: TranslationBundle
): Promise<void> {
  if (!place) {
    return;
  }
  const { content, sessionContext } = place.panel;
  const known = await look(place);
  if (!known?.loaded && !loadsMagic(place.panel)) {
    insertBelow(content, LOAD);
    if (question.text) {
      await NotebookActions.run(content, sessionContext);
    }
  }
  const items = Object.keys(known?.names ?? {}).slice(0, MOST_ITEMS);
  const [words, text] = written(place, question, known, trans);
  await insertPrompt(content, [...items.map(quote), ...words], text);
  const asking = content.activeCell;
  if (!question.text || !(asking instanceof CodeCell)) {
    return;
  }
  await NotebookActions.run(content, sessionContext);
  const turn = findRecord(asking.model.outputs);
  const change = turn && question.isOfError && changeOf({ ...place, cell: asking }, turn);
  if (change) {
    showChange(change, trans);
  }
}

/** Ask the kernel what it knows of a cell and its names; that is no reason to let the user wait. */
function look({ panel, cell }: IPlace): Promise<Reply<'names'>> {
  const source = cell.model.sharedModel.getSource();
  const question = { names: names(source), number: cell.model.executionCount ?? 0, source };
  return askPatiently<'names'>(panel.sessionContext, question, 500);
}

/**
 * The words and the text of the prompt.
 *
 * The kernel sends the cell along by its number; what it does not know any more is quoted.
 */
function written(
  place: IPlace,
  question: IQuestion,
  known: Reply<'names'>,
  trans: TranslationBundle
): [string[], string] {
  const number = place.cell.model.executionCount;
  if (number && known?.known && (known.failed || !question.isOfError)) {
    return [['--about', String(number)], question.text];
  }
  const text = `${question.text}\n\n${quotation(place, trans)}\n`;
  // Braces of the quoted code are no expressions.
  return [text.includes('{{') ? ['--raw'] : [], text];
}

function quotation({ cell }: IPlace, trans: TranslationBundle): string {
  const code = cell.model.sharedModel.getSource();
  const error = errorText(cell);
  return [
    `${trans.__('The cell:')}\n${quoteBlock(code, 'python')}`,
    ...(error ? [`${trans.__('Its error:')}\n${quoteBlock(error, 'text')}`] : [])
  ].join('\n\n');
}

function loadsMagic(panel: NotebookPanel): boolean {
  return panel.content.widgets.some(cell => cell.model.sharedModel.getSource().includes(LOAD));
}
