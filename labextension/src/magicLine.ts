/** Highlights the magic line of prompt cells, and what is attached or computed in their text. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { EditorExtensionRegistry, IEditorExtensionRegistry } from '@jupyterlab/codemirror';
import { ITranslator } from '@jupyterlab/translation';
import { RangeSetBuilder } from '@codemirror/state';
import {
  Decoration,
  type DecorationSet,
  EditorView,
  ViewPlugin,
  type ViewUpdate
} from '@codemirror/view';
import { isPrompt, type Kind, tokens } from './prompt.js';
import { texts } from './texts.js';

const MARKS: Record<Kind, Decoration> = {
  magic: Decoration.mark({ class: 'aoai-Magic' }),
  option: Decoration.mark({ class: 'aoai-Option' }),
  value: Decoration.mark({ class: 'aoai-Value' }),
  item: Decoration.mark({ class: 'aoai-Item' }),
  expression: Decoration.mark({ class: 'aoai-Expression' })
};

export const magicLine: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:magic-line',
  description: 'Highlights options, attached items and expressions of assistant cells.',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  optional: [ITranslator],
  activate: (_, registry: IEditorExtensionRegistry, translator: ITranslator | null) => {
    // An editor has no name of its own, so that a reader of the screen hears which this is.
    const trans = texts(translator);
    const named = { 'aria-label': trans.__('Prompt of the assistant') };
    const label = EditorView.contentAttributes.of(({ state }) =>
      isPrompt(state.doc.toString()) ? named : null
    );
    registry.addExtension({
      name: 'aoai-magic:magic-line',
      factory: () => EditorExtensionRegistry.createImmutableExtension([highlighter, label])
    });
  }
};

class Highlighter {
  constructor(view: EditorView) {
    this.decorations = decorate(view);
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) {
      this.decorations = decorate(update.view);
    }
  }

  decorations: DecorationSet;
}

const highlighter = ViewPlugin.fromClass(Highlighter, {
  decorations: plugin => plugin.decorations
});

function decorate(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { kind, from, to } of tokens(view.state.doc.toString())) {
    builder.add(from, to, MARKS[kind]);
  }
  return builder.finish();
}
