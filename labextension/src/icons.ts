/** Icons of our own; they take JupyterLab's colours by its classes. */
import { LabIcon } from '@jupyterlab/ui-components';

const BUBBLE =
  'M4 3h14a2 2 0 0 1 2 2v9a2 2 0 0 1-2 2h-7l-5 4v-4H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2z' +
  'm0 2v9h4v2l2.5-2H18V5z';
const LINES = 'M6 7.5h10v1.4H6zm0 3h7v1.4H6z';

const BRANCH =
  'M6 2a3 3 0 0 1 1 5.8V9h8V7.8a3 3 0 1 1 2 0V9a2 2 0 0 1-2 2h-3v3.2a3 3 0 1 1-2 0V11H7' +
  'a2 2 0 0 1-2-2V7.8A3 3 0 0 1 6 2z';

export const forkIcon = new LabIcon({
  name: 'aoai-magic:fork',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 22 22">' +
    `<path class="jp-icon3" fill="#616161" d="${BRANCH}"/></svg>`
});

export const askIcon = new LabIcon({
  name: 'aoai-magic:ask',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 22 22">' +
    `<path class="jp-icon3" fill="#616161" fill-rule="evenodd" d="${BUBBLE}${LINES}"/></svg>`
});
