/** Shows the schema of an attached variable under the pointer. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { INotebookTracker } from '@jupyterlab/notebook';
import { type EditorView, hoverTooltip, type Tooltip } from '@codemirror/view';
import { placeOf } from './cells.js';
import { askKernel } from './kernel.js';
import { IPreferences } from './preferences.js';
import { type IToken, tokens } from './prompt.js';

export const hover: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:hover',
  description: 'Shows the schema of an attached variable under the pointer.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, INotebookTracker, IPreferences],
  activate: (
    _,
    registry: IEditorExtensionRegistry,
    tracker: INotebookTracker,
    preferences: IPreferences
  ) => {
    const look = async (view: EditorView, position: number): Promise<Tooltip | null> => {
      const token = preferences.choices.hover ? itemAt(view, position) : null;
      return token ? describe(tracker, view, token) : null;
    };
    registry.addExtension({
      name: 'aoai-magic:hover',
      factory: () => EditorExtensionRegistry.createImmutableExtension(hoverTooltip(look))
    });
  }
};

function itemAt(view: EditorView, position: number): IToken | null {
  const found = tokens(view.state.doc.toString()).find(
    token => token.kind === 'item' && token.from <= position && position <= token.to
  );
  return found ?? null;
}

async function describe(
  tracker: INotebookTracker,
  view: EditorView,
  { from, to, text }: IToken
): Promise<Tooltip | null> {
  const place = placeOf(tracker, view.dom);
  const name = text.replace(/^@/, '').replace(/[./-]+$/, '');
  const reply = place && (await askKernel<'card'>(place.panel.sessionContext, { card: name }));
  const card = reply?.card;
  if (typeof card !== 'string') {
    return null;
  }
  return { pos: from, end: to, above: true, create: () => ({ dom: draw(card) }) };
}

function draw(card: string): HTMLElement {
  const dom = document.createElement('pre');
  dom.className = 'aoai-Card';
  dom.textContent = card;
  return dom;
}
