/** The turn that stands beside the last line of an answer, as the kernel wrote it. */
import type { IOutputModel } from '@jupyterlab/rendermime';
import type { Code, Image, TurnRecord } from './generated/turn.js';

export const MEDIA_TYPE = 'application/vnd.aoai-magic.turn+json';
/** What the kernel freezes as a picture, see `aoai_magic/display/saved/bundles.py`. */
const PICTURES = ['image/png', 'image/jpeg', 'image/gif'];

const PLOTLY = 'application/vnd.plotly.v1+json';

export const FILES_TYPE = 'application/vnd.aoai-magic.files+json';

/** A file that came back: what it is, how to get it in Python, and its bytes if it is small. */
export interface TurnFile {
  readonly name: string;
  readonly size: number;
  readonly kind: string;
  readonly way: string;
  /** In base64; null where the file is large. */
  readonly data: string | null;
}

export type { TurnRecord };

/** A picture of an answer. */
export interface IPicture {
  readonly name: string;
  readonly mediaType: string;
  /** Its bytes in base64. */
  readonly data: string;
}

/** The list of outputs of one cell. */
export interface IOutputs {
  readonly length: number;
  get(index: number): IOutputModel;
}

/**
 * Take data from a saved notebook as a turn; null where it is none that we can read.
 *
 * A notebook is anybody's, so what is used is checked, not believed.
 */
export function readRecord(data: unknown): TurnRecord | null {
  if (!isObject(data) || data.version !== 1 || !isObject(data.usage)) {
    return null;
  }
  const texts = [data.thread, data.target, data.model, data.status];
  const lists = [data.parts, data.files];
  const counts = [data.usage.input_tokens, data.usage.output_tokens, data.usage.cached_tokens];
  const sound =
    texts.every(text => typeof text === 'string') &&
    counts.every(count => typeof count === 'number') &&
    lists.every(list => Array.isArray(list) && list.every(isObject)) &&
    (data.cell == null || typeof data.cell === 'string') &&
    (data.cost == null || typeof data.cost === 'number') &&
    (data.questions == null || areQuestions(data.questions)) &&
    (data.parts as unknown[]).every(isPart) &&
    (data.files as unknown[]).every(isFile);
  return sound ? (data as unknown as TurnRecord) : null;
}

/** Take data from a saved notebook as a list of files; null where it is none that we can read. */
export function readFiles(data: unknown): TurnFile[] | null {
  const sound =
    isObject(data) &&
    data.version === 1 &&
    Array.isArray(data.files) &&
    data.files.every(isContent);
  return sound ? (data.files as TurnFile[]) : null;
}

/** The last turn among outputs, if there is one. */
export function findRecord(outputs: IOutputs): TurnRecord | null {
  for (let place = outputs.length - 1; place >= 0; place--) {
    const data = outputs.get(place).data;
    if (MEDIA_TYPE in data) {
      return readRecord(data[MEDIA_TYPE]);
    }
  }
  return null;
}

/** The pieces of code of a turn, failed attempts included. */
export function codes(turn: TurnRecord): Code[] {
  return turn.parts.filter((part): part is Code => part.type === 'code');
}

/** Whether a thread can be copied up to this turn: its answer says where that is. */
export function canFork(turn: TurnRecord): boolean {
  return turn.thread !== '' && turn.parts.some(part => part.type === 'text');
}

/** The prose of a turn, Markdown, with the names of the sources that it cites. */
export function answer(turn: TurnRecord): string {
  return turn.parts.flatMap(prose).join('\n\n');
}

function prose(part: TurnRecord['parts'][number]): string[] {
  if (part.type === 'sources') {
    return [
      part.passages.map(one => `[${one.number}] ${one.file} ${one.place}`.trim()).join('  \n')
    ];
  }
  return part.type === 'text' ? [part.text.trim()] : [];
}

/**
 * The pictures of a turn: their names stand in the record, their bytes in the outputs above.
 */
export function pictures(turn: TurnRecord, outputs: IOutputs): IPicture[] {
  const named = turn.parts.filter(
    (part): part is Image => part.type === 'image' && PICTURES.includes(part.media_type)
  );
  const drawn: IPicture[] = [];
  for (let place = 0; place < outputs.length; place++) {
    const output = outputs.get(place);
    // Plotly's renderer adds a picture of its own to what it has drawn.
    const picture = PLOTLY in output.data ? null : pictureIn(output);
    if (picture) {
      drawn.push({ ...picture, name: named[drawn.length]?.name ?? picture.name });
    }
  }
  return drawn;
}

/** The picture that an output is, if it is one. */
export function pictureIn(output: IOutputModel): IPicture | null {
  const mediaType = PICTURES.find(type => typeof output.data[type] === 'string');
  if (!mediaType) {
    return null;
  }
  const data = (output.data[mediaType] as string).replace(/\s/g, '');
  return { name: mediaType.replace('/', '.'), mediaType, data };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether texts may become prompts: none that would do more there than be read. */
function areQuestions(questions: unknown): boolean {
  return (
    Array.isArray(questions) &&
    questions.length <= 3 &&
    questions.every(one => typeof one === 'string' && one.length <= 150) &&
    !questions.some(one =>
      /\{\{|@|^[%!?]|[\x00-\x1f\u200e\u200f\u2028-\u202e\u2066-\u2069]/.test(one as string)
    )
  );
}

function isPart(part: unknown): boolean {
  if (!isObject(part)) {
    return false;
  }
  const shapes: Record<string, readonly string[]> = {
    text: ['text'],
    reasoning: [],
    notice: ['text'],
    sources: [],
    logs: [],
    code: ['state'],
    image: ['name', 'media_type']
  };
  if (part.type === 'sources' && !isList(part.passages, isPassage)) {
    return false;
  }
  const wanted = typeof part.type === 'string' ? shapes[part.type] : undefined;
  return wanted !== undefined && ['id', ...wanted].every(name => typeof part[name] === 'string');
}

function isList(value: unknown, sound: (one: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(sound);
}

function isPassage(one: unknown): boolean {
  return (
    isObject(one) &&
    typeof one.number === 'number' &&
    [one.file, one.place].every(text => typeof text === 'string')
  );
}

function isFile(file: unknown): boolean {
  return (
    isObject(file) &&
    typeof file.name === 'string' &&
    typeof file.size === 'number' &&
    typeof file.sha256 === 'string'
  );
}

function isContent(file: unknown): boolean {
  return (
    isObject(file) &&
    ['name', 'kind', 'way'].every(name => typeof file[name] === 'string') &&
    typeof file.size === 'number' &&
    (file.data === null || typeof file.data === 'string')
  );
}
