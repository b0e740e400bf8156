/** Hands the settings that are the kernel's to it, ahead of each prompt that it runs. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { INotebookTracker, NotebookActions } from '@jupyterlab/notebook';
import type { JSONObject } from '@lumino/coreutils';
import { tellKernel } from './kernel.js';
import { type IChoices, IPreferences } from './preferences.js';
import { isPrompt } from './prompt.js';

export const kernelSettings: JupyterFrontEndPlugin<void> = {
  id: 'aoai-magic:kernel-settings',
  description: 'Hands settings to the kernel ahead of each prompt.',
  autoStart: true,
  requires: [INotebookTracker, IPreferences],
  activate: (_, tracker: INotebookTracker, preferences: IPreferences) => {
    const told = new Set<string>();
    // Heard before the cell is sent, so that the kernel has the settings before the prompt.
    NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
      const panel = tracker.find(one => one.content === notebook);
      const kernel = panel?.sessionContext.session?.kernel;
      const settings = chosen(preferences.choices);
      const isNews = !!kernel && (Object.keys(settings).length > 0 || told.has(kernel.id));
      if (panel && isNews && isPrompt(cell.model.sharedModel.getSource())) {
        told.add(kernel.id);
        tellKernel(panel.sessionContext, { settings });
      }
    });
  }
};

/** What differs from the kernel's own defaults, by the names of `aoai_magic/config/settings.py`. */
function chosen({ confirmUpload }: IChoices): JSONObject {
  return confirmUpload ? { confirm_upload: true } : {};
}
