import { useComputedColorScheme } from '@mantine/core';
import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { useFormats } from '../lib/format';

/** Lines over time, drawn on a canvas: new samples cost little, however many there are. */
export default function LiveChart({
  times,
  series,
  format,
  height = 160,
  top,
}: {
  times: readonly number[];
  series: { label: string; values: readonly (number | null)[] }[];
  format: (value: number) => string;
  height?: number;
  top?: number;
}) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const scheme = useComputedColorScheme('light');
  const labels = series.map((each) => each.label).join('|');
  const { time } = useFormats();
  const latest = useRef(format);
  const clock = useRef((at: number) => String(at));
  useEffect(() => {
    latest.current = format;
    clock.current = (at) => time(new Date(1000 * at).toISOString());
  });
  useEffect(() => {
    const at = place.current;
    if (!at) return;
    const colour = (name: string) => getComputedStyle(at).getPropertyValue(name).trim();
    const axis = { space: 90, stroke: colour('--muted'), grid: { stroke: colour('--line'), width: 1 }, ticks: { show: false } };
    const names = labels.split('|');
    const own = new uPlot(
      {
        width: at.clientWidth || 300,
        height,
        legend: { show: names.length > 1, live: false },
        padding: [null, 36, null, null], // half of the last time's label, such as 10:58:45 PM
        cursor: { show: false },
        axes: [{ ...axis, values: (_, splits) => splits.map((at) => clock.current(at)) }, { ...axis, space: 34, size: 84, values: (_, splits) => splits.map((value) => latest.current(value)) }],
        scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), top ?? Math.max(high ?? 1, 1e-9) * 1.1] } },
        series: [{}, ...names.map((label, n) => ({ label, stroke: colour(`--series-${(n % 4) + 1}`), width: 1.5, points: { show: false } }))],
      },
      [[], ...names.map(() => [])],
      at,
    );
    plot.current = own;
    const resized = new ResizeObserver(() => own.setSize({ width: at.clientWidth, height }));
    resized.observe(at);
    return () => {
      resized.disconnect();
      own.destroy();
      plot.current = null;
    };
  }, [labels, height, scheme, top]);
  useEffect(() => {
    plot.current?.setData([times as number[], ...series.map((each) => each.values as (number | null)[])]);
  });
  return <div ref={place} style={{ width: '100%' }} />;
}
