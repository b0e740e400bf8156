/** Shows what an answer would change in a cell, to be accepted or rejected. */
import { unifiedMergeView } from '@codemirror/merge';
import { EditorState } from '@codemirror/state';
import { EditorView, highlightSpecialChars } from '@codemirror/view';
import type { TranslationBundle } from '@jupyterlab/translation';
import { checkIcon, closeIcon } from '@jupyterlab/ui-components';
import { type IPlace, numbered } from './cells.js';
import { button, element } from './dom.js';
import { readMagicLine } from './prompt.js';
import { answer, type TurnRecord } from './record.js';

const FENCE = /^(`{3,})(.*)$/;

/** A cell, and the text that an answer would give it. */
export interface IChange {
  readonly place: IPlace;
  readonly code: string;
}

/** What an answer would change in the cell that its question is about; null if nothing. */
export function changeOf({ panel, cell }: IPlace, turn: TurnRecord): IChange | null {
  const number = readMagicLine(cell.model.sharedModel.getSource())?.about;
  const about = number ? numbered(panel, number) : null;
  const code = lastBlock(answer(turn));
  const isChange = about && code && code !== about.model.sharedModel.getSource();
  return isChange ? { place: { panel, cell: about }, code } : null;
}

/** Show a change below the cell's text; what was shown there before goes. */
export function showChange({ place, code }: IChange, trans: TranslationBundle): void {
  const { cell } = place;
  cell.node.querySelector('.aoai-Changes')?.remove();
  const original = cell.model.sharedModel.getSource();
  const label = trans.__('Suggested change of this cell');
  const view = new EditorView({ state: state(code, original, label) });
  const close = (): void => {
    view.destroy();
    shown.remove();
    cell.node.focus();
  };
  const accept = (): void => {
    cell.model.sharedModel.setSource(code);
    close();
  };
  const bar = element(
    'div',
    'aoai-Bar',
    button(checkIcon, trans.__('Accept'), accept, trans.__('Change the cell')),
    button(closeIcon, trans.__('Reject'), close, trans.__('Leave the cell as it is'))
  );
  const shown = element('div', 'aoai-Changes', view.dom, bar);
  shown.setAttribute('role', 'group');
  shown.setAttribute('aria-label', label);
  cell.node.querySelector('.jp-Cell-inputWrapper')?.after(shown);
  shown.scrollIntoView({ block: 'nearest' });
}

function state(code: string, original: string, label: string): EditorState {
  const dark = document.body.dataset.jpThemeLight === 'false';
  return EditorState.create({
    doc: code,
    extensions: [
      unifiedMergeView({ original, mergeControls: false }),
      EditorState.readOnly.of(true),
      EditorView.editable.of(false),
      // What is accepted is what is seen, also where a text turns its direction.
      highlightSpecialChars(),
      EditorView.lineWrapping,
      EditorView.theme({}, { dark }),
      EditorView.contentAttributes.of({ tabindex: '0', 'aria-label': label })
    ]
  });
}

/** The last block of Python in a text; line by line, as an answer may be long and hostile. */
function lastBlock(text: string): string | undefined {
  let fence = '';
  let isPython = false;
  let lines: string[] = [];
  let found: string | undefined;
  for (const line of text.split('\n')) {
    const [, marks = '', rest = ''] = FENCE.exec(line) ?? [];
    if (!fence && marks) {
      [fence, isPython, lines] = [marks, /^(python|py)?$/.test(rest.trim()), []];
    } else if (fence && marks.length >= fence.length && !rest.trim()) {
      found = isPython ? lines.join('\n') : found;
      fence = '';
    } else {
      lines.push(line);
    }
  }
  return found;
}
