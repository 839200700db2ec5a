import { Button, Group, NumberInput, Progress, Select, SimpleGrid, Slider, Stack, Table, Text, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { keepPreviousData, useMutation, useQuery } from '@tanstack/react-query';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Figure, Panel, Wide } from '../../components/parts';
import { Empty, Loaded, NotAllowed, Problem } from '../../components/state';
import { api, take, type Model, type Schemas } from '../../lib/api';
import { useFormats } from '../../lib/format';
import { queries, useMay } from '../../lib/queries';

type Values = Record<string, string | number>;
type Field = Schemas['Field_'];

const FIRST: Values = { day: '2013-07-10', carrier: 'UA', origin: 'EWR', dest: 'IAH', sched_dep_time: 1725 };
const ALWAYS = ['day', 'sched_dep_time', 'carrier', 'origin', 'dest'];
const WEATHER = ['temp', 'dewp', 'humid', 'wind_dir', 'wind_speed', 'wind_gust', 'precip', 'pressure', 'visib'];
const WHAT_IF = ['temp', 'wind_speed', 'visib', 'precip'];

export function OneFlight() {
  const { t, i18n } = useTranslation();
  const may = useMay('predict');
  const schema = useQuery(queries.schema(i18n.language as 'en' | 'es'));
  const [values, setValues] = useState<Values>(FIRST);
  const put = (name: string, value: string | number | null) =>
    setValues((before) => {
      const rest = Object.entries(before).filter(([other]) => other !== name);
      return Object.fromEntries(value === null || value === '' ? rest : [...rest, [name, value]]);
    });
  const complete = ALWAYS.every((name) => values[name] !== undefined);
  const [asked] = useDebouncedValue(values, 300);
  const answer = useQuery({
    queryKey: ['predict', asked],
    queryFn: () => take(api.POST('/predict', { params: { query: { explain: true } }, body: [asked as unknown as Schemas['Flight']] })),
    enabled: may && complete,
    placeholderData: keepPreviousData,
    retry: false,
  });
  const random = useMutation({
    mutationFn: () => take(api.GET('/flights/sample', { params: { query: { n: 1, seed: Math.floor(Math.random() * 2 ** 31) } } })),
    onSuccess: ([flight]) => flight && setValues(flight as unknown as Values),
  });
  const weather = useMutation({
    mutationFn: () =>
      take(
        api.GET('/flights/weather', {
          params: { query: { origin: values.origin as 'EWR', day: String(values.day), sched_dep_time: Number(values.sched_dep_time) } },
        }),
      ),
    onSuccess: (found) => setValues((before) => ({ ...Object.fromEntries(Object.entries(before).filter(([name]) => !WEATHER.includes(name))), ...found })),
  });
  return (
    <SimpleGrid cols={{ base: 1, lg: 2 }}>
      <Panel
        title={t('prediction.flight')}
        aside={
          <Group gap="xs">
            <Button size="xs" variant="default" loading={random.isPending} onClick={() => random.mutate()}>
              {t('prediction.random')}
            </Button>
            <Button size="xs" variant="default" loading={weather.isPending} disabled={!complete} onClick={() => weather.mutate()}>
              {t('prediction.weather')}
            </Button>
          </Group>
        }
      >
        <Loaded query={schema} lines={8}>
          {(fields) => (
            <Stack gap="sm">
              {weather.data && Object.keys(weather.data).length === 0 && <Text size="sm" role="status">{t('prediction.noWeather')}</Text>}
              {(weather.isError || random.isError) && <Problem fault={weather.error ?? random.error} />}
              <SimpleGrid cols={{ base: 1, xs: 2 }}>
                {ALWAYS.map((name) => (
                  <Input key={name} field={fields.find((each) => each.name === name)} value={values[name]} onChange={(value) => put(name, value)} />
                ))}
              </SimpleGrid>
              <details>
                <summary>{t('prediction.more', { count: fields.length - ALWAYS.length })}</summary>
                <SimpleGrid cols={{ base: 1, xs: 2 }} mt="sm">
                  {fields
                    .filter((field) => !ALWAYS.includes(field.name))
                    .map((field) => (
                      <Input key={field.name} field={field} value={values[field.name]} onChange={(value) => put(field.name, value)} />
                    ))}
                </SimpleGrid>
              </details>
              <Text size="sm" fw={600}>
                {t('prediction.whatIf')}
              </Text>
              {WHAT_IF.map((name) => {
                const field = fields.find((each) => each.name === name);
                return field && <WhatIf key={name} field={field} value={values[name] as number | undefined} onChange={(value) => put(name, value)} />;
              })}
            </Stack>
          )}
        </Loaded>
      </Panel>
      <Panel title={t('prediction.answer')}>
        {!may ? (
          <NotAllowed scope="predict" />
        ) : !complete ? (
          <Empty>{t('prediction.incomplete')}</Empty>
        ) : (
          <Loaded query={answer} lines={6}>
            {(found) => <Answer found={found} fields={schema.data ?? []} />}
          </Loaded>
        )}
      </Panel>
    </SimpleGrid>
  );
}

/** A time of day, HHMM, as a clock shows it. */
const clockOf = (value: number) => `${String(Math.floor(value / 100) % 24).padStart(2, '0')}:${String(value % 100).padStart(2, '0')}`;

function Input({ field, value, onChange }: { field: Field | undefined; value: string | number | undefined; onChange: (value: string | number | null) => void }) {
  const { t } = useTranslation();
  const names = useQuery(queries.names).data;
  if (!field) return null;
  const label = field.unit ? `${field.meaning} (${field.unit})` : field.meaning;
  const common = { label, required: field.required, withAsterisk: field.required };
  if (field.type === 'date') return <TextInput {...common} type="date" value={String(value ?? '')} onChange={(event) => onChange(event.currentTarget.value)} />;
  if (field.type === 'clock') {
    const shown = value === undefined ? '' : clockOf(Number(value));
    return (
      <TextInput
        {...common}
        type="time"
        value={shown}
        onChange={(event) => {
          const [hour, minute] = event.currentTarget.value.split(':').map(Number);
          onChange(hour === undefined || minute === undefined || Number.isNaN(hour) ? null : 100 * hour + minute);
        }}
      />
    );
  }
  const codes = field.name === 'carrier' ? names?.carriers : field.name === 'dest' || field.name === 'origin' ? names?.airports : undefined;
  if (codes || field.allowed) {
    const allowed = (field.allowed as string[] | null) ?? Object.keys(codes ?? {});
    const data = allowed.map((code) => ({ value: code, label: codes?.[code] ? `${codes[code]} (${code})` : code }));
    if (value !== undefined && !allowed.includes(String(value))) data.unshift({ value: String(value), label: String(value) });
    return <Select {...common} data={data} value={value === undefined ? null : String(value)} onChange={onChange} searchable clearable={!field.required} nothingFoundMessage={t('state.nothing')} />;
  }
  if (field.type === 'text') return <TextInput {...common} maxLength={100} value={String(value ?? '')} onChange={(event) => onChange(event.currentTarget.value)} />;
  return <NumberInput {...common} min={field.minimum ?? undefined} max={field.maximum ?? undefined} clampBehavior="strict" allowDecimal={field.type === 'float'} value={value ?? ''} onChange={onChange} placeholder={t('prediction.leftOut')} />;
}

// What the sliders cover: most of what 2013 brought, rather than all that is possible.
const REACH: Record<string, [number, number, number]> = { temp: [0, 100, 1], wind_speed: [0, 45, 1], visib: [0, 10, 0.5], precip: [0, 1, 0.05] };

function WhatIf({ field, value, onChange }: { field: Field; value: number | undefined; onChange: (value: number) => void }) {
  const { t } = useTranslation();
  const { number } = useFormats();
  const [low, high, step] = REACH[field.name] ?? [0, 100, 1];
  const label = `${field.meaning}${field.unit ? ` (${field.unit})` : ''}`;
  return (
    <div>
      <Text size="xs">{`${label}: ${value === undefined ? t('prediction.leftOut') : number(value, step < 1 ? 2 : 0)}`}</Text>
      <Slider min={low} max={high} step={step} value={value ?? low} onChange={onChange} label={(at) => number(at, step < 1 ? 2 : 0)} thumbLabel={label} size="sm" />
    </div>
  );
}

function Answer({ found, fields }: { found: Schemas['Predictions']; fields: readonly Field[] }) {
  const { t } = useTranslation();
  const { percent, number } = useFormats();
  const models = useQuery(queries.models).data;
  const [answer] = found.predictions;
  if (!answer) return null;
  const meaning = (name: string) => fields.find((field) => field.name === name)?.meaning ?? name;
  const shown = (name: string, value: unknown) =>
    typeof value === 'number' && fields.find((field) => field.name === name)?.type === 'clock'
      ? clockOf(value)
      : (typeof value === 'number' ? number(value, Number.isInteger(value) ? 0 : 1) : String(value));
  const moves = found.explanations?.[0] ?? [];
  const most = Math.max(...moves.map((move) => Math.abs(move.change)), 1e-9);
  return (
    <Stack gap="sm">
      <Group justify="space-between" align="flex-end">
        <Figure label={t('prediction.probability')} value={<span data-testid="probability">{percent(answer.probability, 1)}</span>} note={t(answer.label === 'late' ? 'prediction.late' : 'prediction.onTime')} />
        <Text size="xs" c="var(--muted)">
          {t('prediction.by', { model: found.model })}
        </Text>
      </Group>
      <Progress value={100 * answer.probability} size="lg" aria-label={t('prediction.probability')} />
      <Calibrated model={models?.find((model) => model.id === found.model)} probability={answer.probability} />
      {moves.length > 0 && (
        <>
          <Text size="sm" fw={600}>
            {t('prediction.moves')}
          </Text>
          <Text size="xs" c="var(--muted)">
            {t('prediction.movesNote')}
          </Text>
          <Wide label={t('prediction.moves')}>
            <Table withRowBorders={false} verticalSpacing={4}>
              <Table.Thead>
                <Table.Tr>
                  {['field', 'value', 'typical', 'change'].map((head) => (
                    <Table.Th key={head}>{t(`prediction.${head}`)}</Table.Th>
                  ))}
                </Table.Tr>
              </Table.Thead>
              <Table.Tbody>
                {moves.map((move) => (
                  <Table.Tr key={move.field}>
                    <Table.Td>{meaning(move.field)}</Table.Td>
                    <Table.Td>{shown(move.field, move.value)}</Table.Td>
                    <Table.Td>{shown(move.field, move.typical)}</Table.Td>
                    <Table.Td style={{ minWidth: 'min(120px, 24vw)' }}>
                      <Group gap={6} wrap="nowrap">
                        <span aria-hidden style={{ width: `calc(min(60px, 9vw) * ${Math.abs(move.change) / most})`, height: 10, flexShrink: 0, background: move.change > 0 ? 'var(--series-2)' : 'var(--series-1)' }} />
                        <Text size="xs">{`${move.change > 0 ? '+' : ''}${number(100 * move.change, 1)}`}</Text>
                      </Group>
                    </Table.Td>
                  </Table.Tr>
                ))}
              </Table.Tbody>
            </Table>
          </Wide>
        </>
      )}
      {answer.imputed.length > 0 && (
        <Text size="xs" c="var(--muted)">
          {t('prediction.imputed', { fields: answer.imputed.map(meaning).join(', ') })}
        </Text>
      )}
    </Stack>
  );
}

/** How often flights were late for which the model had said about the same. */
function Calibrated({ model, probability }: { model: Model | undefined; probability: number }) {
  const { t } = useTranslation();
  const { percent, whole } = useFormats();
  const curve = (model?.scores.calibration ?? []) as [number, number, number][];
  if (curve.length === 0) return null;
  const near = curve.reduce((best, bin) => (Math.abs(bin[0] - probability) < Math.abs(best[0] - probability) ? bin : best));
  return <Text size="sm">{t('prediction.calibrated', { predicted: percent(near[0]), observed: percent(near[1]), n: whole(near[2]) })}</Text>;
}
