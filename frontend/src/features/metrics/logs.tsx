import { Button, Group, Select, Stack, Text, TextInput } from '@mantine/core';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { Panel } from '../../components/parts';
import { Empty } from '../../components/state';
import { useEvents } from '../../lib/events';

const KEPT = 2_000;
const SHOWN = 300;

type Line = { service: string; level: string; text: string };

export function Logs() {
  const { t } = useTranslation();
  const [level, setLevel] = useState('INFO');
  const [run, setRun] = useState('');
  const [round, setRound] = useState(0);
  const path = `/logs?level=${level}${/^[0-9a-f-]{4,64}$/.test(run) ? `&run=${run}` : ''}`;
  return (
    <Panel title={t('logs.title')}>
      <Stack gap="sm">
        <Group align="flex-end">
          <Select label={t('logs.level')} data={['DEBUG', 'INFO', 'WARNING', 'ERROR'].map((value) => ({ value, label: t(`level.${value}`) }))} value={level} onChange={(value) => setLevel(value ?? 'INFO')} allowDeselect={false} w={150} />
          <TextInput label={t('logs.run')} placeholder={t('logs.anyRun')} value={run} onChange={(event) => setRun(event.currentTarget.value.trim())} />
          <Button variant="default" onClick={() => setRound(round + 1)}>
            {t('logs.clear')}
          </Button>
        </Group>
        <Lines key={`${path} ${round}`} path={path} />
      </Stack>
    </Panel>
  );
}

function Lines({ path }: { path: string }) {
  const { t } = useTranslation();
  const [lines, setLines] = useState<Line[]>([]);
  const [wanted, setWanted] = useState('');
  const [service, setService] = useState<string | null>(null);
  const connection = useEvents(path, { line: (line: Line) => setLines((before) => [...before, line].slice(-KEPT)) });
  const services = [...new Set(lines.map((line) => line.service))].sort();
  const shown = lines.filter((line) => (!service || line.service === service) && line.text.toLowerCase().includes(wanted.toLowerCase())).slice(-SHOWN);
  return (
    <>
      <Group align="flex-end">
        <TextInput label={t('logs.search')} value={wanted} onChange={(event) => setWanted(event.currentTarget.value)} />
        <Select label={t('logs.service')} placeholder={t('logs.anyService')} data={services} value={service} onChange={setService} clearable />
        <Text size="sm">{t(`connection.${connection}`)}</Text>
      </Group>
      {shown.length === 0 ? (
        <Empty>{t('logs.none')}</Empty>
      ) : (
        <div role="log" aria-label={t('logs.title')} tabIndex={0} className="log" lang="en">
          {shown.map((line, place) => (
            <div key={place} className={`log-${line.level}`}>{`${line.service} ${line.text}`}</div>
          ))}
        </div>
      )}
    </>
  );
}
