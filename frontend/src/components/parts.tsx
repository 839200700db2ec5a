import { Anchor, Badge, Card, Group, Stack, Text, Title } from '@mantine/core';
import type { ReactNode } from 'react';
import { useTranslation } from 'react-i18next';
import { Link } from 'wouter';

export function Page({ title, lead, children, actions }: { title: string; lead: string; children: ReactNode; actions?: ReactNode }) {
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <div>
          <Title order={1} size="h2">
            {title}
          </Title>
          <Text c="var(--muted)" size="sm" maw="70ch">
            {lead}
          </Text>
        </div>
        {actions}
      </Group>
      {children}
    </Stack>
  );
}

export function Panel({ title, children, aside }: { title: string; children: ReactNode; aside?: ReactNode }) {
  return (
    <Card withBorder padding="md" radius="md" component="section" aria-label={title}>
      <Group justify="space-between" mb="sm">
        <Title order={2} size="h4">
          {title}
        </Title>
        {aside}
      </Group>
      {children}
    </Card>
  );
}

export function Figure({ label, value, note }: { label: string; value: ReactNode; note?: ReactNode }) {
  return (
    <div>
      <Text size="xs" c="var(--muted)">
        {label}
      </Text>
      <Text fw={600} size="lg" style={{ fontVariantNumeric: 'tabular-nums' }}>
        {value}
      </Text>
      {note && (
        <Text size="xs" c="var(--muted)">
          {note}
        </Text>
      )}
    </div>
  );
}

const COLOURS: Record<string, string> = { finished: 'teal', running: 'blue', waiting: 'gray', failed: 'red', interrupted: 'orange' };

export function Status({ status }: { status: string }) {
  const { t } = useTranslation();
  return (
    <Badge variant="outline" color={COLOURS[status] ?? 'gray'}>
      {t(`status.${status}`)}
    </Badge>
  );
}

/** From any number to the run that it comes from. */
export function RunLink({ id, children }: { id: string; children?: ReactNode }) {
  return (
    <Anchor component={Link} href={`/runs/${id}`} size="sm">
      {children ?? id}
    </Anchor>
  );
}

/** Wide content scrolls by itself; the page never does. */
export function Wide({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div role="region" aria-label={label} tabIndex={0} className="wide">
      {children}
    </div>
  );
}

export function download(name: string, content: BlobPart, type: string) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
