/** What the user chose in the settings editor. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, type TranslationBundle } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';
import { type ISignal, Signal } from '@lumino/signaling';
import { texts } from './texts.js';

const ID = 'aoai-magic:plugin';

/** The settings by name; their defaults stand in `schema/plugin.json`. */
export interface IChoices {
  readonly promptCells: boolean;
  readonly mark: boolean;
  readonly hover: boolean;
  readonly hideCode: boolean;
  readonly confirmUpload: boolean;
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

const DEFAULTS: IChoices = {
  promptCells: true,
  mark: true,
  hover: true,
  hideCode: false,
  confirmUpload: false
};

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
  id: ID,
  description: 'The settings of assistant cells.',
  autoStart: true,
  provides: IPreferences,
  optional: [ISettingRegistry, ITranslator],
  activate: (_, registry: ISettingRegistry | null, translator: ITranslator | null) => {
    const made = new Preferences();
    const trans = texts(translator);
    registry?.transform(ID, { fetch: plugin => translated(plugin, trans) });
    registry?.load(ID).then(
      settings => made.follow(settings),
      (reason: unknown) => console.warn(`aoai-magic keeps its default settings: ${reason}`)
    );
    return made;
  }
};

/** The settings with titles and descriptions in the reader's language. */
function translated(
  plugin: ISettingRegistry.IPlugin,
  trans: TranslationBundle
): ISettingRegistry.IPlugin {
  const properties = Object.entries(plugin.schema.properties ?? {});
  const schema = {
    ...plugin.schema,
    ...inWords(plugin.schema, trans),
    properties: Object.fromEntries(
      properties.map(([name, property]) => [name, { ...property, ...inWords(property, trans) }])
    )
  };
  return { ...plugin, schema };
}

function inWords(
  { title, description }: { title?: string; description?: string },
  trans: TranslationBundle
): { title: string; description: string } {
  return { title: trans.__(title ?? ''), description: trans.__(description ?? '') };
}
