/** Hides or shows the code of all answers in a notebook. */
import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ITranslator } from '@jupyterlab/translation';
import { eachNotebook } from './cells.js';
import { commandAdder, commandId } from './commands.js';
import { IPreferences } from './preferences.js';
import { texts } from './texts.js';

const COMMAND = 'toggle-code';
const HIDING = 'aoai-mod-hideCode';

export const codeFilter: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:code-filter',
  description: 'Hides or shows the code of all answers in a notebook.',
  autoStart: true,
  requires: [INotebookTracker, IPreferences],
  optional: [ITranslator, ICommandPalette],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    preferences: IPreferences,
    translator: ITranslator | null,
    palette: ICommandPalette | null
  ) => {
    const trans = texts(translator);
    commandAdder(
      app,
      palette,
      trans
    )(COMMAND, {
      label: trans.__('Hide the Code of All Answers'),
      isEnabled: () => tracker.currentWidget !== null,
      isToggled: () => tracker.currentWidget?.hasClass(HIDING) ?? false,
      execute: () => {
        tracker.currentWidget?.toggleClass(HIDING);
        app.commands.notifyCommandChanged(commandId(COMMAND));
      }
    });
    eachNotebook(tracker, panel => panel.toggleClass(HIDING, preferences.choices.hideCode));
    preferences.changed.connect(() => {
      tracker.forEach(panel => panel.toggleClass(HIDING, preferences.choices.hideCode));
    });
  }
};
