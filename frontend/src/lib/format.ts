import { useTranslation } from 'react-i18next';

const NOTHING = '–';

/** Numbers and dates as the reader's language writes them; what is not known is a dash. */
export function formats(lang: string) {
  const number = (value: number | null | undefined, digits = 2) =>
    value === null || value === undefined || !Number.isFinite(value)
      ? NOTHING
      : new Intl.NumberFormat(lang, { minimumFractionDigits: digits, maximumFractionDigits: digits, useGrouping: 'always' }).format(value);
  const when = (text: string | null | undefined, style: Intl.DateTimeFormatOptions = { dateStyle: 'medium', timeStyle: 'short' }) =>
    text ? new Intl.DateTimeFormat(lang, style).format(new Date(text)) : NOTHING;
  return {
    number,
    when,
    whole: (value: number | null | undefined) => number(value, 0),
    percent: (value: number | null | undefined, digits = 0) =>
      value === null || value === undefined
        ? NOTHING
        : new Intl.NumberFormat(lang, { style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value),
    bytes: (value: number | null | undefined) => {
      if (value === null || value === undefined) return NOTHING;
      const units = ['B', 'kB', 'MB', 'GB', 'TB'];
      let place = 0;
      let left = value;
      while (Math.abs(left) >= 1000 && place < units.length - 1) {
        left /= 1000;
        place += 1;
      }
      return `${number(left, place ? 1 : 0)} ${units[place]}`;
    },
    time: (text: string) => when(text, { timeStyle: 'medium' }),
    day: (text: string) => when(text, { dateStyle: 'medium', timeZone: 'UTC' }),
  };
}

/** The language that was chosen, as it is written where the reader lives: en-GB has other dates than en-US. */
export function localeOf(lang: string, readers: readonly string[]) {
  return readers.find((each) => each === lang || each.startsWith(`${lang}-`)) ?? lang;
}

export function useFormats() {
  const { i18n } = useTranslation();
  return formats(localeOf(i18n.language, navigator.languages));
}
