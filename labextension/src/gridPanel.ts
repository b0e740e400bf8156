/** The place below an answer's line in which one of its tables stands as a grid. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { tableRowsIcon } from '@jupyterlab/ui-components';
import { type PanelLayout, Widget } from '@lumino/widgets';
import { button, element } from './dom.js';
import type { TableSource } from './tableSource.js';

/** Make the button that shows a table; who points at it will likely press it. */
export function gridButton(
  trans: TranslationBundle,
  onClick: () => void,
  caption: string
): HTMLButtonElement {
  const made = button(tableRowsIcon, trans.__('Grid'), onClick, caption);
  const load = (): void => void import('./gridView.js').catch(() => undefined);
  made.addEventListener('pointerenter', load, { once: true });
  made.addEventListener('focus', load, { once: true });
  return made;
}

/** Show a table from the first source that has it, in place of the one before. */
export async function showGrid(
  panels: PanelLayout,
  sources: readonly TableSource[],
  name: string,
  trans: TranslationBundle
): Promise<void> {
  const { openGrid } = await import('./gridView.js');
  const reasons: string[] = [];
  for (const source of sources) {
    const grid = await openGrid(source, name, trans);
    if (typeof grid !== 'string') {
      panels.widgets[1]?.dispose();
      panels.addWidget(grid);
      grid.node.querySelector('input')?.focus();
      return;
    }
    reasons.push(grid);
  }
  panels.widgets[1]?.dispose();
  const note = element('p', 'aoai-Turn-note', reasons[0] ?? '');
  note.setAttribute('role', 'status');
  panels.addWidget(new Widget({ node: note }));
}
