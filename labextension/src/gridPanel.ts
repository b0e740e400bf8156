/** The place below an answer's line in which one of its tables stands as a grid. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { type PanelLayout, Widget } from '@lumino/widgets';
import { element } from './dom.js';
import type { TableSource } from './tableSource.js';

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
