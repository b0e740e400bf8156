/** Commands that ask about the active cell: each writes a prompt cell below and runs nothing. */
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { type LabIcon, bugIcon, infoIcon } from '@jupyterlab/ui-components';
import { activePlace, type IPlace } from './cells.js';
import { commandPlugin, mapped } from './commands.js';
import { errorText, outputText } from './excerpt.js';
import { askIcon } from './icons.js';
import { insertBelow, insertPrompt } from './insert.js';
import { askPatiently } from './kernel.js';
import { isPrompt, names, quote, quoteBlock } from './prompt.js';

const LOAD = '%load_ext aoai_magic';
/** More would make a line that nobody reads; the user can name others. */
const MOST_ITEMS = 8;

interface IQuestion {
  readonly label: string;
  readonly caption: string;
  readonly icon: LabIcon;
  /** What is asked; empty where the user is to write it. */
  readonly text: string;
  readonly isEnabled: (place: IPlace) => boolean;
}

export const askCommands = commandPlugin(
  'aoai-magic:ask-commands',
  'Asks about a cell, explains it, or mends it.',
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
      caption: trans.__('Ask the assistant about this cell and its output'),
      icon: askIcon,
      text: '',
      isEnabled: () => true
    },
    explain: {
      label: trans.__('Explain This Cell'),
      caption: trans.__('Have the assistant explain this cell and its output'),
      icon: infoIcon,
      text: trans.__('Explain what this cell does and what its output means.'),
      isEnabled: () => true
    },
    fix: {
      label: trans.__('Fix This Cell'),
      caption: trans.__('Have the assistant find out why this cell failed'),
      icon: bugIcon,
      text: trans.__('This cell fails. Find the cause and give the corrected cell.'),
      isEnabled: ({ cell }) => errorText(cell) !== ''
    }
  };
}

function isAskable(place: IPlace | null, question: IQuestion): boolean {
  const source = place?.cell.model.sharedModel.getSource() ?? '';
  return !!place && !!source.trim() && !isPrompt(source) && question.isEnabled(place);
}

async function ask(
  place: IPlace | null,
  question: IQuestion,
  trans: TranslationBundle
): Promise<void> {
  if (!place) {
    return;
  }
  const { panel, cell } = place;
  const code = cell.model.sharedModel.getSource();
  // Its names are welcome, but no reason to let the user wait.
  const known = await askPatiently<'names'>(panel.sessionContext, { names: names(code) }, 500);
  const items = Object.keys(known?.names ?? {}).slice(0, MOST_ITEMS);
  const text = `${question.text}\n\n${quotation(place, trans)}\n`;
  // Braces of the quoted code are no expressions.
  const words = [...items.map(quote), ...(text.includes('{{') ? ['--raw'] : [])];
  if (!known?.loaded && !loadsMagic(panel)) {
    insertBelow(panel.content, LOAD);
  }
  await insertPrompt(panel.content, words, text);
}

function quotation({ cell }: IPlace, trans: TranslationBundle): string {
  const code = cell.model.sharedModel.getSource();
  const output = outputText(cell);
  const error = errorText(cell);
  return [
    `${trans.__('The cell:')}\n${quoteBlock(code, 'python')}`,
    ...(output ? [`${trans.__('Its output:')}\n${quoteBlock(output, 'text')}`] : []),
    ...(error ? [`${trans.__('Its error:')}\n${quoteBlock(error, 'text')}`] : [])
  ].join('\n\n');
}

function loadsMagic(panel: NotebookPanel): boolean {
  return panel.content.widgets.some(cell => cell.model.sharedModel.getSource().includes(LOAD));
}
