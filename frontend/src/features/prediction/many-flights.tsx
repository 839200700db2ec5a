import { Button, FileButton, Group, Progress, Stack, Table, Text } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { download, Panel, Wide } from '../../components/parts';
import { NotAllowed } from '../../components/state';
import { api, ApiError, take, type Schemas } from '../../lib/api';
import { useFormats } from '../../lib/format';
import { queries, useMay } from '../../lib/queries';
import { parseCsv, toCsv, toFlight } from './csv';

const MOST_BYTES = 20_000_000;
const SHOWN = 8;
const AT_ONCE = 500;

type Result = { probability?: number; label?: string; error?: string };

export function ManyFlights() {
  const { t, i18n } = useTranslation();
  const { whole, percent } = useFormats();
  const may = useMay('predict');
  const schema = useQuery(queries.schema(i18n.language as 'en' | 'es'));
  const [name, setName] = useState('');
  const [rows, setRows] = useState<Record<string, string>[]>([]);
  const [results, setResults] = useState<(Result | undefined)[]>([]);
  const [done, setDone] = useState<number | null>(null);
  const [fault, setFault] = useState('');
  const fields = schema.data ?? [];
  const known = rows[0] ? Object.keys(rows[0]).filter((column) => fields.some((field) => field.name === column)) : [];
  const missing = rows[0] ? fields.filter((field) => field.required && !known.includes(field.name)).map((field) => field.name) : [];

  async function read(file: File | null) {
    if (!file) return;
    setResults([]);
    setDone(null);
    setRows([]);
    setName(file.name);
    if (file.size > MOST_BYTES) return setFault(t('csv.tooLarge'));
    const found = parseCsv(new TextDecoder('utf-8').decode(await file.arrayBuffer()));
    setFault(found.length === 0 ? t('csv.empty') : '');
    setRows(found);
  }

  /** Predict rows; where the services refuse a block, its halves are tried, so that each bad row is told by itself. */
  async function predict(from: number, to: number, into: (Result | undefined)[]): Promise<void> {
    const flights = rows.slice(from, to).map((row) => toFlight(row, fields)) as unknown as Schemas['Flight'][];
    try {
      const answer = await take(api.POST('/predict', { body: flights }));
      answer.predictions.forEach(({ probability, label }, place) => (into[from + place] = { probability, label }));
    } catch (problem) {
      if (!(problem instanceof ApiError) || problem.status !== 422) throw problem;
      if (to - from === 1) into[from] = { error: problem.message.replace(/^0\.|flights\.0\./g, '') };
      else {
        const middle = Math.floor((from + to) / 2);
        await predict(from, middle, into);
        await predict(middle, to, into);
      }
    }
  }

  async function start() {
    const found: (Result | undefined)[] = new Array<Result | undefined>(rows.length);
    setFault('');
    setDone(0);
    try {
      for (let from = 0; from < rows.length; from += AT_ONCE) {
        const to = Math.min(rows.length, from + AT_ONCE);
        await predict(from, to, found);
        setDone(to / rows.length);
      }
    } catch (problem) {
      setFault(problem instanceof Error ? problem.message : String(problem));
    }
    setResults(found);
  }

  const bad = results.filter((result) => result?.error).length;
  return (
    <Panel title={t('csv.title')}>
      <Stack gap="sm">
        <Text size="sm">{t('csv.lead', { fields: fields.filter((field) => field.required).map((field) => field.name).join(', ') })}</Text>
        <Group>
          <FileButton onChange={(file) => void read(file)} accept=".csv,text/csv" inputProps={{ 'aria-label': t('csv.choose') }}>
            {(props) => (
              <Button {...props} variant="default">
                {t('csv.choose')}
              </Button>
            )}
          </FileButton>
          <Button onClick={() => void start()} disabled={!may || rows.length === 0 || missing.length > 0} loading={done !== null && done < 1 && !fault}>
            {t('csv.start')}
          </Button>
          {results.length > 0 && (
            <Button variant="default" onClick={() => download(`labkit-${name}`, toCsv(rows.map((row, place) => ({ ...row, ...results[place] }))), 'text/csv')}>
              {t('csv.download')}
            </Button>
          )}
          {!may && <NotAllowed scope="predict" />}
        </Group>
        {fault && (
          <Text size="sm" role="alert">
            {fault}
          </Text>
        )}
        {rows.length > 0 && (
          <Text size="sm" role="status">
            {missing.length > 0 ? t('csv.missing', { fields: missing.join(', ') }) : t('csv.read', { rows: whole(rows.length), name })}
            {results.length > 0 && ` ${t('csv.done', { good: whole(results.filter((result) => result?.label).length), bad: whole(bad) })}`}
          </Text>
        )}
        {done !== null && <Progress value={100 * done} aria-label={t('csv.progress')} />}
        {rows.length > 0 && (
          <Wide label={t('csv.preview')}>
            <Table withRowBorders={false} striped verticalSpacing={4}>
              <Table.Thead>
                <Table.Tr>
                  <Table.Th>{t('csv.row')}</Table.Th>
                  {known.map((column) => (
                    <Table.Th key={column}>{column}</Table.Th>
                  ))}
                  <Table.Th>{t('prediction.probability')}</Table.Th>
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {shownRows(rows.length, results).map((place) => (
                  <Table.Tr key={place}>
                    <Table.Td>{place + 1}</Table.Td>
                    {known.map((column) => (
                      <Table.Td key={column}>{rows[place]?.[column]}</Table.Td>
                    ))}
                    <Table.Td>{results[place]?.error ?? percent(results[place]?.probability, 1)}</Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
        )}
      </Stack>
    </Panel>
  );
}

/** The first rows, and then those that were refused. */
function shownRows(n: number, results: readonly (Result | undefined)[]): number[] {
  const first = Array.from({ length: Math.min(n, SHOWN) }, (_, place) => place);
  const refused = results.flatMap((result, place) => (result?.error && place >= SHOWN ? [place] : [])).slice(0, 50);
  return [...first, ...refused];
}
