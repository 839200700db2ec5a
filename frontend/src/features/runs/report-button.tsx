import { Button, Group, Text } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { useTranslation } from 'react-i18next';
import { download } from '../../components/parts';
import { api, take } from '../../lib/api';
import { useMay } from '../../lib/queries';

const FORMATS = ['pdf', 'html', 'docx'] as const;
type Format = (typeof FORMATS)[number];

/** Writes the technical report of a benchmark in the reader's language, and hands over the file. */
export function ReportButton({ run }: { run: string }) {
  const { t, i18n } = useTranslation();
  const may = useMay('operate');
  const write = useMutation({
    mutationFn: async (format: Format) => {
      const lang = i18n.language as 'es' | 'en';
      const asked = api.POST('/benchmark/{run_id}/report', { params: { path: { run_id: run }, query: { format, lang } }, parseAs: 'blob' });
      const file = (await take(asked)) as Blob;
      download(`${t('run.reportFile')}-${run}.${format}`, file, file.type);
    },
  });
  return (
    <Group gap={4} role="group" aria-label={t('run.report')}>
      <Text size="xs" c="dimmed">
        {t('run.report')}
      </Text>
      {FORMATS.map((format) => (
        <Button
          key={format} variant="default" size="xs" disabled={!may || write.isPending} loading={write.isPending && write.variables === format}
          aria-label={t('run.reportAs', { format: format.toUpperCase() })} onClick={() => write.mutate(format)}
        >
          {format.toUpperCase()}
        </Button>
      ))}
      <Text size="xs" role="status">
        {write.isPending && t('run.reportPending')}
        {write.isError && t('run.reportFailed', { error: write.error.message })}
      </Text>
    </Group>
  );
}
