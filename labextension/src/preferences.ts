/** What the user chose in the settings editor. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';

/** The settings by name; their defaults stand in `schema/plugin.json`. */
export interface IChoices {
  readonly promptCells: boolean;
  readonly mark: boolean;
  readonly hover: boolean;
  readonly hideCode: boolean;
}

/** The present choices, and when they change. */
export interface IPreferences {
  readonly choices: IChoices;
  readonly changed: ISignal<IPreferences, void>;
}

export const IPreferences = new Token<IPreferences>(
  'aoai-magic:IPreferences',
  'What the user chose for assistant cells.'
);

const DEFAULTS: IChoices = { promptCells: true, mark: true, hover: true, hideCode: false };

class Preferences implements IPreferences {
  choices = DEFAULTS;
  readonly changed = new Signal<this, void>(this);

  follow(settings: ISettingRegistry.ISettings): void {
    const read = (): void => {
      this.choices = { ...DEFAULTS, ...(settings.composite as Partial<IChoices>) };
      this.changed.emit();
    };
    settings.changed.connect(read);
    read();
  }
}

export const preferences: JupyterFrontEndPlugin<IPreferences> = {
  id: 'aoai-magic:plugin',
  description: 'The settings of assistant cells.',
  autoStart: true,
  provides: IPreferences,
  optional: [ISettingRegistry],
  activate: (_, registry: ISettingRegistry | null) => {
    const made = new Preferences();
    registry?.load('aoai-magic:plugin').then(
      settings => made.follow(settings),
      (reason: unknown) => console.warn(`aoai-magic keeps its default settings: ${reason}`)
    );
    return made;
  }
};
