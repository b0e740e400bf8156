/** Finding code cells: every one of every notebook, and the one that an element is in. */
import { CodeCell } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

/** A code cell and the notebook that it stands in. */
export interface IPlace {
  readonly panel: NotebookPanel;
  readonly cell: CodeCell;
}

/** Call `visit` once for each code cell, present and future. */
export function eachCodeCell(tracker: INotebookTracker, visit: (place: IPlace) => void): void {
  const seen = new WeakSet<CodeCell>();
  eachNotebook(tracker, panel => {
    const sweep = (): void => {
      for (const cell of panel.content.widgets) {
        if (cell instanceof CodeCell && !seen.has(cell)) {
          seen.add(cell);
          visit({ panel, cell });
        }
      }
    };
    const follow = (): void => {
      // The notebook connected first, so that its widget exists when this is called.
      panel.content.model?.cells.changed.connect(sweep);
      sweep();
    };
    panel.content.modelChanged.connect(follow);
    follow();
  });
}

/** Call `visit` once for each notebook, present and future, when it has been read. */
export function eachNotebook(
  tracker: INotebookTracker,
  visit: (panel: NotebookPanel) => void
): void {
  const enter = (panel: NotebookPanel): void => {
    void panel.context.ready.then(() => {
      if (!panel.isDisposed) {
        visit(panel);
      }
    });
  };
  tracker.forEach(enter);
  tracker.widgetAdded.connect((_, panel) => enter(panel));
}

/** The code cell that an element is in. */
export function placeOf(tracker: INotebookTracker, node: Node): IPlace | null {
  const panel = tracker.find(one => one.node.contains(node));
  const cell = panel?.content.widgets.find(one => one.node.contains(node));
  return panel && cell instanceof CodeCell ? { panel, cell } : null;
}

/** The code cell that is active in the current notebook. */
export function activePlace(tracker: INotebookTracker): IPlace | null {
  const panel = tracker.currentWidget;
  const cell = panel?.content.activeCell;
  return panel && cell instanceof CodeCell ? { panel, cell } : null;
}

/** The code cell that was run under a number. */
export function numbered(panel: NotebookPanel, number: number): CodeCell | null {
  const cells = panel.content.widgets.filter(cell => cell instanceof CodeCell);
  return cells.find(cell => cell.model.executionCount === number) ?? null;
}

/** Make a cell the active one. */
export function activate({ panel, cell }: IPlace): void {
  panel.content.activeCellIndex = panel.content.widgets.indexOf(cell);
}
