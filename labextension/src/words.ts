/** Numbers and states as people say them. */
import type { TranslationBundle } from '@jupyterlab/translation';
import { codes, type TurnRecord } from './record.js';

/** Bytes: `812 bytes`, `12 kB`, `3.4 MB`. */
export function size(count: number, trans: TranslationBundle): string {
  if (count < 1000) {
    return trans._n('%1 byte', '%1 bytes', count);
  }
  const units = ['kB', 'MB', 'GB'];
  const power = Math.min(Math.floor(Math.log10(count) / 3), units.length);
  const number = count / 1000 ** power;
  return `${number.toFixed(number < 9.95 ? 1 : 0)} ${units[power - 1]}`;
}

/** Seconds: `<0.1 s`, `0.4 s`, `12 s`, `2 min 5 s`. */
export function duration(seconds: number, trans: TranslationBundle): string {
  if (seconds < 59.5) {
    return trans.__('%1 s', seconds < 0.05 ? '<0.1' : seconds.toFixed(seconds < 9.95 ? 1 : 0));
  }
  const whole = Math.round(seconds);
  return trans.__('%1 min %2 s', Math.floor(whole / 60), whole % 60);
}

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;

/** How long something is still there, in whole units. */
export function wait(seconds: number, trans: TranslationBundle): string {
  if (seconds < MINUTE) {
    return trans.__('less than a minute');
  }
  if (seconds < HOUR) {
    return trans.__('%1 min', Math.round(seconds / MINUTE));
  }
  return seconds < DAY
    ? trans.__('%1 h', Math.round(seconds / HOUR))
    : trans._n('%1 day', '%1 days', Math.round(seconds / DAY));
}

/** How long ago a time was, in seconds since 1970; a date where it is more than a day. */
export function ago(time: number, trans: TranslationBundle): string {
  const seconds = Date.now() / 1000 - time;
  if (seconds < MINUTE) {
    return trans.__('just now');
  }
  return seconds < DAY
    ? trans.__('%1 ago', wait(seconds, trans))
    : new Date(time * 1000).toLocaleDateString();
}

/** Where code runs. */
export function place(target: string, trans: TranslationBundle): string {
  const names: Record<string, string> = { azure: 'Azure', openai: 'OpenAI' };
  return target === 'local'
    ? trans.__('code runs on this machine')
    : trans.__('code runs at %1', names[target] ?? target);
}

/** An estimate in US dollars; small ones with as many places as tell something. */
export function cost(dollars: number, trans: TranslationBundle): string {
  return dollars < 0.0001
    ? trans.__('less than %1', '$0.0001')
    : trans.__('about %1', `$${dollars.toFixed(dollars < 1 ? 4 : 2)}`);
}

/** How a turn ended, where that is not as it should be. */
export function status(turn: TurnRecord, trans: TranslationBundle): string {
  const texts: Record<string, string> = {
    incomplete: trans.__('Incomplete.'),
    failed: trans.__('Failed.'),
    interrupted: trans.__('Stopped.'),
    running: trans.__('Cut off when the kernel ended.')
  };
  const said = texts[turn.status] ?? '';
  const isPartial = turn.parts.some(part => part.type === 'text' || part.type === 'image');
  return said && isPartial ? `${said} ${trans.__('Partial answer above.')}` : said;
}

/** Who answered, where, how much, and how long where the work does not say so. */
export function facts(turn: TurnRecord, trans: TranslationBundle): string[] {
  const total = turn.usage.input_tokens + turn.usage.output_tokens;
  return [
    turn.model,
    turn.effort ? trans.__('effort: %1', turn.effort) : '',
    ranAt(turn, trans),
    turn.isolation === 'none' ? trans.__('not isolated') : '',
    turn.context ? trans.__('with %1', turn.context) : '',
    typeof turn.seconds === 'number' && !hasWork(turn) ? duration(turn.seconds, trans) : '',
    total ? tokens(total, trans) : '',
    typeof turn.cost === 'number' ? cost(turn.cost, trans) : ''
  ].filter(fact => fact);
}

/** Where the code ran; the target's name where it says as much, or none ran. */
function ranAt(turn: TurnRecord, trans: TranslationBundle): string {
  const ranHere = turn.target === 'local' && codes(turn).length > 0;
  return ranHere ? trans.__('code ran on this machine') : turn.target;
}

/** Whether the answer has a fold with the work, which says how long the turn took. */
function hasWork(turn: TurnRecord): boolean {
  return turn.parts.some(part => ['code', 'logs', 'reasoning'].includes(part.type));
}

/** A number of tokens. */
export function tokens(count: number, trans: TranslationBundle): string {
  // Grouped by hand: the bundle chooses singular or plural by the number itself.
  return trans._n('%2 token', '%2 tokens', count, count.toLocaleString());
}

/** Everything that is known of how an answer came about, as names and values. */
export function provenance(turn: TurnRecord, trans: TranslationBundle): [string, string][] {
  const { input_tokens, cached_tokens, output_tokens } = turn.usage;
  const steps = codes(turn);
  const failed = steps.filter(step => step.state === 'failed').length;
  const known: [string, string | null][] = [
    [trans.__('Thread'), turn.thread],
    [trans.__('Target'), turn.target],
    [trans.__('Model'), turn.model],
    [trans.__('Isolation'), turn.isolation],
    [trans.__('Status'), turn.status],
    [trans.__('Error'), turn.error],
    [trans.__('Time'), typeof turn.seconds === 'number' ? duration(turn.seconds, trans) : null],
    [
      trans.__('Tokens'),
      input_tokens + output_tokens
        ? trans.__('%1 in (%2 cached), %3 out', input_tokens, cached_tokens, output_tokens)
        : null
    ],
    [trans.__('Cost'), typeof turn.cost === 'number' ? cost(turn.cost, trans) : null],
    [trans.__('Code'), trans.__('%1 steps, %2 failed', steps.length, failed)],
    ...turn.files.map((file): [string, string] => [file.name, `sha256 ${file.sha256}`])
  ];
  return known.filter((pair): pair is [string, string] => typeof pair[1] === 'string' && !!pair[1]);
}
