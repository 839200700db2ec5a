/** Rows of a CSV file by RFC 4180: quotes, doubled quotes, line breaks within quotes; the first row names the columns. */
export function parseCsv(text: string): Record<string, string>[] {
  const rows: string[][] = [];
  let row: string[] = [];
  let cell = '';
  let quoted = false;
  const content = text.replace(/^\uFEFF/, '');
  // Commas by default; a first line with semicolons and no comma is from a spreadsheet of most of Europe.
  const [head = ''] = content.split('\n', 1);
  const comma = !head.includes(',') && head.includes(';') ? ';' : ',';
  for (let at = 0; at < content.length; at += 1) {
    const sign = content[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (content[at + 1] === '"') {
        cell += '"';
        at += 1;
      } else quoted = false;
    } else if (sign === '"') quoted = true;
    else if (sign === comma) {
      row.push(cell);
      cell = '';
    } else if (sign === '\n') {
      row.push(cell.replace(/\r$/, ''));
      rows.push(row);
      row = [];
      cell = '';
    } else cell += sign;
  }
  if (cell !== '' || row.length > 0) rows.push([...row, cell]);
  const [names = [], ...rest] = rows.filter((each) => each.some((value) => value.trim() !== ''));
  return rest.map((each) => Object.fromEntries(names.map((name, place) => [name.trim(), (each[place] ?? '').trim()])));
}

/** A CSV file of rows; what could be taken for a formula by a spreadsheet begins with an apostrophe. */
export function toCsv(rows: readonly Record<string, unknown>[]): string {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cell = (value: unknown) => {
    const text = value === null || value === undefined ? '' : String(value);
    const safe = typeof value === 'string' && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [names.map(cell).join(','), ...rows.map((row) => names.map((name) => cell(row[name])).join(','))].join('\r\n') + '\r\n';
}

/** A row as the services take it: numbers as numbers, empty cells left out, columns that are no field left out. */
export function toFlight(row: Record<string, string>, fields: readonly { name: string; type: string }[]): Record<string, unknown> {
  const flight: Record<string, unknown> = {};
  for (const { name, type } of fields) {
    const given = row[name];
    if (given === undefined || given === '' || given === 'NA') continue;
    const asNumber = Number(given);
    flight[name] = ['int', 'float', 'clock'].includes(type) && !Number.isNaN(asNumber) ? asNumber : given;
  }
  return flight;
}
