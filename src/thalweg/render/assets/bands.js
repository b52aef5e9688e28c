"use strict";
// Draws curves of medians with their bands: over steps, over learning rates, or as shares that have arrived. Above the
// curves a strip has a row for each line, with what is marked of it: a bar over a range, crosses at places.
const bands = ({ axisLine, colour, count, decade, figure, font, nice, room, tooltip }) => {
  const STRIP = 10;
  const plain = (words) => words.replace(/[{}]/g, ""); // braces would be read as styles of the canvas text

  function drawn(spec) {
    const across = spec.base ? (x) => Math.log(x) / Math.log(spec.base) : (x) => x;
    const rows = spec.strip ? spec.lines.length : 0;
    const left = across(spec.x[0]);
    // Steps at the very end are seen as such.
    const right = Math.max(across(spec.x[1]), left + 1e-9) + (spec.step ? 0.02 * (across(spec.x[1]) - left) : 0);
    let [bottom, top] = spec.y;
    if (spec.log && top / bottom > 1e3) {
      // Whole decades: the label of a 2 or a 5 would lie on that of its neighbour.
      [bottom, top] = [Number(`1e${Math.floor(Math.log10(bottom) + 1e-9)}`) || bottom, Number(`1e${Math.ceil(Math.log10(top) - 1e-9)}`)];
    } else if (spec.log) [bottom, top] = [decade(bottom, 1), Math.max(decade(top, -1), 10 * decade(bottom, 1))];
    else if (spec.unit !== "fraction") {
      const step = nice(top - bottom || Math.abs(top) || 1);
      [bottom, top] = [Math.floor(bottom / step) * step, Math.ceil(top / step) * step];
      if (bottom === top) top += step;
    }
    // A band whose upper end diverged goes as far up as the picture.
    const place = ([x, value, low = null, high = null]) => ({ x: across(x), value, low, high, up: high ?? top });
    const lines = spec.lines.map((line) => ({ ...line, places: line.points.map(place) }));
    // A share holds until the next one has arrived.
    const last = (places, x) => places.filter((point) => point.x <= x + 1e-12).at(-1);
    const nearest = (places, x) => places.reduce((best, point) => (Math.abs(point.x - x) < Math.abs(best.x - x) ? point : best), places[0]);
    const placed = (x) => (spec.base ? figure(spec.base ** x) : count(x));
    function hover(x) {
      const reference = spec.step ? null : nearest(lines.flatMap((line) => line.places), x);
      const at = spec.step ? x : reference.x;
      const said = lines
        .map((line) => [line, (spec.step ? last : nearest)(line.places, at)])
        .filter(([, point]) => point && (spec.step || Math.abs(point.x - at) < 1e-9))
        .map(([line, point]) => {
          const said = (value) => (value === null ? "diverged" : figure(value, spec.unit));
          const band = point.low === null ? "" : ` (${said(point.low)} to ${said(point.high)})`;
          return `${line.name}  ${said(point.value)}${band}`;
        });
      return plain([`${spec.across} ${placed(at)}`, ...said].join("\n"));
    }

    function polygon(line, api) {
      const shapes = [];
      let run = [];
      const close = () => {
        if (run.length > 1) {
          const up = [];
          const down = [];
          run.forEach((point) => {
            up.push(api.coord([point.x, point.up]));
            down.push(api.coord([point.x, point.low]));
          });
          shapes.push({
            type: "polygon",
            shape: { points: [...up, ...down.reverse()] },
            style: { fill: colour(line.colour), opacity: lines.length > 6 ? 0.08 : 0.14 },
          });
        }
        run = [];
      };
      line.places.forEach((point) => (point.low === null ? close() : run.push(point)));
      close();
      return { type: "group", children: shapes };
    }
    function strip(line, row, params, api) {
      const y = params.coordSys.y - rows * STRIP + row * STRIP;
      const at = (x) => api.coord([across(x), bottom])[0];
      const stroke = colour(line.colour);
      const bars = line.bars.map(([from, to]) => {
        const [a, b] = [at(from), at(to)];
        const width = Math.max(b - a, 6);
        return { type: "rect", shape: { x: (a + b - width) / 2, y: y - 2, width, height: 4, r: 2 }, style: { fill: stroke } };
      });
      const crosses = line.crosses.map(([x, share]) => {
        const [c, r] = [at(x), share >= 0.5 ? 3.2 : 2];
        const style = { stroke, lineWidth: share >= 0.5 ? 1.75 : 1.25 };
        return {
          type: "group",
          children: [
            { type: "line", shape: { x1: c - r, y1: y - r, x2: c + r, y2: y + r }, style },
            { type: "line", shape: { x1: c - r, y1: y + r, x2: c + r, y2: y - r }, style },
          ],
        };
      });
      return { type: "group", children: [...bars, ...crosses] };
    }
    // A range of a single line is shaded over the whole height.
    const shaded = lines.length === 1 ? (lines[0].bars ?? []) : [];
    // Whole powers of the base, or parts of them where there are too few; a linear axis finds its own.
    function ticks(width) {
      if (!spec.base) return undefined;
      const span = right - left;
      const step = span > 2 ? Math.max(Math.ceil((span * 60) / width), 1) : span > 1 ? 0.5 : 0.25;
      const first = Math.ceil(left / step - 1e-9);
      return Array.from({ length: Math.floor(right / step + 1e-9) - first + 1 }, (_, n) => (first + n) * step);
    }
    const option = (width) => ({
      animation: false,
      textStyle: font(),
      grid: { left: room(), right: 18, top: 14 + rows * STRIP, bottom: 46 },
      xAxis: {
        type: "value",
        min: left,
        max: right,
        ...axisLine(),
        axisLine: { onZero: false, lineStyle: { color: colour("rule") } },
        splitLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => (v === right && spec.step ? "" : placed(v)), hideOverlap: true, customValues: ticks(width) },
        axisPointer: { show: true, snap: false, label: { show: false }, lineStyle: { color: colour("soft"), width: 1 } },
        name: spec.across,
        nameLocation: "middle",
        nameGap: 28,
        nameTextStyle: font(),
      },
      yAxis: {
        type: spec.log ? "log" : "value",
        min: bottom,
        max: top,
        ...axisLine(),
        axisLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => figure(v, spec.unit), hideOverlap: true },
      },
      tooltip: tooltip({ trigger: "axis", formatter: (items) => hover((Array.isArray(items) ? items[0] : items).axisValue) }),
      series: [
        ...lines.map((line) => ({
          type: "custom",
          data: [[left, bottom]],
          renderItem: (params, api) => polygon(line, api),
          silent: true,
          clip: true,
          tooltip: { show: false },
          z: 2,
        })),
        ...(rows ? lines : []).map((line, row) => ({
          type: "custom",
          data: [[left, bottom]],
          renderItem: (params, api) => strip(line, row, params, api),
          silent: true,
          clip: false,
          z: 6,
        })),
        ...lines.map((line, index) => ({
          type: "line",
          name: line.name,
          data: [...line.places, ...(spec.step ? [{ x: right, value: line.places.at(-1)?.value }] : [])].map(({ x, value }) => [x, value]),
          step: spec.step ? "end" : false,
          showSymbol: !spec.step && line.places.length <= 40,
          symbol: "circle",
          symbolSize: 5,
          connectNulls: false,
          lineStyle: { width: 1.75, type: line.dashed ? "dashed" : "solid" },
          itemStyle: { color: colour(line.colour) },
          emphasis: { disabled: true },
          z: 5 - index / 100, // the best kind lies above the others
          ...(index === 0 && shaded.length
            ? {
                markArea: {
                  silent: true,
                  animation: false,
                  itemStyle: { color: colour(line.colour), opacity: 0.08 },
                  data: shaded.map(([from, to]) => [{ xAxis: across(from) }, { xAxis: across(to) }]),
                },
              }
            : {}),
        })),
      ],
    });
    return { option, height: () => 330 + rows * STRIP };
  }

  return { bands: drawn };
};
