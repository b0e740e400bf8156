/** Adding commands of ours: named alike, and in the palette together. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';
import { texts } from './texts.js';

type Options = CommandRegistry.ICommandOptions;

/** The full name of a command of ours. */
export function commandId(name: string): string {
  return `aoai-magic:${name}`;
}

/** Give the function that adds a command, to the palette too where there is one. */
export function commandAdder(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  trans: TranslationBundle
): (name: string, options: Options) => void {
  return (name, options) => {
    app.commands.addCommand(commandId(name), options);
    palette?.addItem({ command: commandId(name), category: trans.__('Assistant') });
  };
}

/** Make a plugin of commands that act on the current notebook. */
export function commandPlugin(
  id: string,
  description: string,
  make: (tracker: INotebookTracker, trans: TranslationBundle) => Record<string, Options>
): JupyterFrontEndPlugin<void> {
  return {
    id,
    description,
    autoStart: true,
    requires: [INotebookTracker],
    optional: [ITranslator, ICommandPalette],
    activate: (
      app: JupyterFrontEnd,
      tracker: INotebookTracker,
      translator: ITranslator | null,
      palette: ICommandPalette | null
    ) => {
      const trans = texts(translator);
      const add = commandAdder(app, palette, trans);
      for (const [name, options] of Object.entries(make(tracker, trans))) {
        add(name, options);
      }
    }
  };
}

/** Make an object of the same names with other values. */
export function mapped<A, B>(values: Record<string, A>, make: (value: A) => B): Record<string, B> {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, make(value)]));
}
