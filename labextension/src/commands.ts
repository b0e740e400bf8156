/** Adding commands of ours: named alike, and in the palette together. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { CommandRegistry } from '@lumino/commands';

/** The full name of a command of ours. */
export function commandId(name: string): string {
  return `aoai-magic:${name}`;
}

/** Give the function that adds a command, to the palette too where there is one. */
export function commandAdder(
  app: JupyterFrontEnd,
  palette: ICommandPalette | null,
  trans: TranslationBundle
): (name: string, options: CommandRegistry.ICommandOptions) => void {
  return (name, options) => {
    app.commands.addCommand(commandId(name), options);
    palette?.addItem({ command: commandId(name), category: trans.__('Assistant') });
  };
}
