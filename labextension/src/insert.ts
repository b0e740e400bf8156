/** Adding cells to a notebook. */
import { type Notebook, NotebookActions } from '@jupyterlab/notebook';
import { writePrompt } from './prompt.js';

/** Insert a code cell below the active one and make it the active one. */
export function insertBelow(notebook: Notebook, source: string): void {
  NotebookActions.insertBelow(notebook);
  notebook.activeCell?.model.sharedModel.setSource(source);
}

/** Insert a prompt with these words in its line, and let its text be typed. */
export async function insertPrompt(
  notebook: Notebook,
  words: readonly string[],
  text = ''
): Promise<void> {
  insertBelow(notebook, writePrompt(words, text));
  await edit(notebook, 1);
}

/** Put the cursor at the end of a line of the active cell. */
async function edit(notebook: Notebook, line: number): Promise<void> {
  const cell = notebook.activeCell;
  if (!cell) {
    return;
  }
  await cell.ready;
  notebook.mode = 'edit';
  cell.editor?.setCursorPosition({ line, column: cell.editor.getLine(line)?.length ?? 0 });
  cell.editor?.focus();
}
