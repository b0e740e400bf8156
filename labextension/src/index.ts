/** The plugins of the extension; each can be disabled without harm to the others. */
import type { JupyterFrontEndPlugin } from '@jupyterlab/application';
import { alternatives } from './alternatives.js';
import { askCommands } from './askCommands.js';
import { codeFilter } from './codeFilter.js';
import { errorBar } from './errorBar.js';
import { fileDrop } from './fileDrop.js';
import { heal } from './heal.js';
import { hover } from './hover.js';
import { kernelSettings } from './kernelSettings.js';
import { longAnswers } from './longAnswers.js';
import { magicLine } from './magicLine.js';
import { panel } from './panel.js';
import { pictures } from './pictures.js';
import { preferences } from './preferences.js';
import { promptCells } from './promptCells.js';
import { tokenCount } from './tokenCount.js';
import { turnCommands } from './turnCommands.js';
import { turns } from './turns.js';

const plugins: JupyterFrontEndPlugin<any>[] = [
  preferences,
  kernelSettings,
  heal,
  promptCells,
  magicLine,
  hover,
  turns,
  alternatives,
  longAnswers,
  turnCommands,
  codeFilter,
  pictures,
  askCommands,
  errorBar,
  fileDrop,
  panel,
  tokenCount
];

export default plugins;
