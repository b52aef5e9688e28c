"use strict";
// Draws what was measured of a model: for each kind of picture the option that ECharts takes, by the plot's width, and
// the height of the plot where the width decides it. Places on the symmetric axis come from the page's maker.
const pictures = ({ axisLine, colour, decade, figure, font, nice, room, tooltip, viridis }) => {
  const plain = (words) => words.replace(/[{}]/g, ""); // braces would be read as styles of the canvas text
  const base = () => ({ animation: false, textStyle: font() });
  const title = (name, gap) => ({ name, nameLocation: "middle", nameGap: gap, nameTextStyle: font() });

  // --- spectrum: stems above, their sum with its band below --------------------------------------------------------

  function spectrum(spec) {
    // A value of the axis in words: linear from -1 to 1, a decade for each one beyond.
    const power = (n) => (n === 0 ? "1" : n === 1 ? "10" : Math.abs(n) < 4 ? String(Number(`1e${n}`)) : `1e${n}`);
    const tick = (place) => (place === 0 ? "0" : `${place < 0 ? "-" : ""}${power(Math.abs(place) - 1 + spec.exponent)}`);
    const middle = (spec.low + spec.high) / 2;
    const place = { eigenvalue: "ink", limit: "validation" };
    const lines = (labelled) =>
      spec.marks.map(({ name, at, kind }) => ({
        xAxis: at,
        lineStyle: { color: colour(place[kind]), width: 1.5, type: kind === "limit" ? "dashed" : "solid" },
        label: {
          show: labelled,
          formatter: name,
          color: colour(place[kind]),
          position: "end",
          align: at > middle ? "right" : "left",
          padding: at > middle ? [0, -4, 0, 0] : [0, 0, 0, -4],
          // The limit often lies at the largest eigenvalue: its name has a line of its own.
          distance: kind === "limit" ? 20 : 4,
        },
      }));
    const marks = (labelled) => ({
      type: "line",
      data: [],
      xAxisIndex: labelled ? 0 : 1,
      yAxisIndex: labelled ? 0 : 1,
      markLine: { silent: true, animation: false, symbol: "none", precision: 12, z: 1, label: { fontSize: 12 }, data: [...lines(labelled), ...(labelled && spec.one !== null ? [one()] : [])] },
      markArea: {
        silent: true,
        animation: false,
        z: 0,
        itemStyle: { color: colour("soft"), opacity: 0.25 },
        data: spec.marks.filter(({ from, to }) => to > from).map(({ from, to }) => [{ xAxis: from }, { xAxis: to }]),
      },
    });
    const one = () => ({
      yAxis: spec.one,
      lineStyle: { color: colour("soft"), width: 1, type: "dashed" },
      label: { show: false },
    });
    const stem = (params, api) => {
      const [x, top] = api.coord([api.value(0), api.value(1)]);
      const [, bottom] = api.coord([api.value(0), spec.floor]);
      const fill = colour("alone");
      return {
        type: "group",
        children: [
          { type: "line", shape: { x1: x, y1: bottom, x2: x, y2: top }, style: { stroke: fill, lineWidth: 1.5 } },
          { type: "circle", shape: { cx: x, cy: top, r: 2.5 }, style: { fill } },
        ],
      };
    };
    const sum = spec.shares.length ? [[spec.low, 0, 0, 0], ...spec.shares, [spec.high, 1, spec.shares.at(-1)[2], 1]] : [];
    const band = (params, api) => {
      if (params.dataIndex) return undefined;
      const up = [];
      const down = [];
      sum.forEach(([x, , low, high], n) => {
        const next = sum[n + 1]?.[0] ?? x;
        up.push(api.coord([x, high]), api.coord([next, high]));
        down.push(api.coord([x, low]), api.coord([next, low]));
      });
      return { type: "polygon", shape: { points: [...up, ...down.reverse()] }, style: { fill: colour("alone"), opacity: 0.2 } };
    };
    const axis = (index, labelled) => ({
      type: "value",
      gridIndex: index,
      min: spec.low,
      max: spec.high,
      interval: 1,
      ...axisLine(),
      axisLine: { onZero: false, lineStyle: { color: colour("rule") } },
      axisTick: { show: labelled, lineStyle: { color: colour("rule") } },
      axisLabel: { ...font(), show: labelled, formatter: tick, hideOverlap: true },
      ...(labelled ? title("eigenvalue, symmetric logarithmic", 28) : {}),
    });
    const option = () => ({
      ...base(),
      grid: [
        { left: room(), right: 14, top: 42, height: 170 },
        { left: room(), right: 14, top: 232, height: 96 },
      ],
      xAxis: [axis(0, false), axis(1, true)],
      yAxis: [
        {
          type: "value",
          gridIndex: 0,
          min: spec.floor,
          max: 0,
          minInterval: 1,
          ...axisLine(),
          axisLine: { show: false },
          axisLabel: { ...font(), formatter: (v) => (Number.isInteger(v) ? power(v) : ""), hideOverlap: true },
        },
        {
          type: "value",
          gridIndex: 1,
          min: 0,
          max: 1,
          interval: 0.5,
          ...axisLine(),
          axisLine: { show: false },
          axisLabel: { ...font(), formatter: (v) => `${100 * v} %` },
        },
      ],
      tooltip: tooltip({
        formatter: ({ seriesName, value }) =>
          seriesName === "stems" ? `eigenvalue  ${figure(value[2])}\nshare  ${figure(value[3], "fraction")}` : "",
      }),
      series: [
        marks(true),
        marks(false),
        { type: "custom", name: "stems", renderItem: stem, data: spec.stems, clip: true, z: 3 },
        { type: "custom", renderItem: band, data: sum, xAxisIndex: 1, yAxisIndex: 1, silent: true, clip: true, z: 2 },
        {
          type: "line",
          step: "end",
          data: sum.map(([x, share]) => [x, share]),
          xAxisIndex: 1,
          yAxisIndex: 1,
          showSymbol: false,
          silent: true,
          lineStyle: { width: 1.5 },
          itemStyle: { color: colour("alone") },
          z: 3,
        },
      ],
    });
    return { option, height: () => 380 };
  }

  // --- plane: the loss as colour, the path over it ---------------------------------------------------------------

  function plane(spec) {
    const edges = (places) => {
      const half = places.slice(1).map((x, n) => (x + places[n]) / 2);
      return [2 * places[0] - half[0], ...half, 2 * places.at(-1) - half.at(-1)];
    };
    const columns = edges(spec.across);
    const rows = edges(spec.up);
    const left = Math.min(columns[0], ...spec.path.map(([x]) => x));
    const right = Math.max(columns.at(-1), ...spec.path.map(([x]) => x));
    const bottom = Math.min(rows[0], ...spec.path.map(([, y]) => y));
    const top = Math.max(rows.at(-1), ...spec.path.map(([, y]) => y));
    const margin = { left: 64, right: 14, top: 12, bottom: 92 };
    // To one scale where that leaves a picture that is neither flat nor taller than a screen.
    const inside = (width) => {
      const free = width - margin.left - margin.right;
      return { width: free, height: Math.min(Math.max((free * (top - bottom)) / (right - left), 200), 420) };
    };
    const scaled = (value) => (spec.log ? Math.log10(value) : value);
    const values = spec.cells.map(([, , value]) => scaled(value));
    let low = values.length ? Math.min(...values) : 0;
    let high = values.length ? Math.max(...values) : 1;
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const cell = (fill) => (params, api) => {
      const [c, r] = [api.value(0), api.value(1)];
      const [x1, y1] = api.coord([columns[c], rows[r + 1]]);
      const [x2, y2] = api.coord([columns[c + 1], rows[r]]);
      // A pixel over its neighbours: no seams.
      const shape = { x: Math.floor(x1), y: Math.floor(y1), width: Math.ceil(x2) - Math.floor(x1), height: Math.ceil(y2) - Math.floor(y1) };
      return { type: "rect", shape, style: fill(api) };
    };
    const axis = (name, from, to, gap) => ({
      type: "value",
      min: from,
      max: to,
      ...axisLine(),
      axisLine: { onZero: false, lineStyle: { color: colour("rule") } },
      splitLine: { show: false },
      // The ends are no round numbers.
      axisLabel: { ...font(), formatter: (v) => (v === from || v === to ? "" : figure(v)), hideOverlap: true },
      ...title(name, gap),
    });
    const stroke = (color, width) => ({
      type: "line",
      data: spec.path,
      symbol: "circle",
      showAllSymbol: true,
      symbolSize: width + 3,
      silent: true,
      lineStyle: { color, width },
      itemStyle: { color, borderWidth: 0 },
      z: 5,
    });
    // A name stands where the path does not come from, or go to, where there is room.
    const end = (index, symbol, words, side, width) => {
      const at = spec.path.at(index);
      const next = spec.path.at(index ? -2 : 1) ?? at;
      const room = ((side === "right" ? right - at[0] : at[0] - left) / (right - left)) * inside(width).width;
      const fits = room > 20 + 7 * words.length;
      const other = side === "right" ? "left" : "right";
      return {
        value: at,
        symbol,
        label: {
          show: true,
          formatter: words,
          position: fits ? side : other,
          offset: [0, fits ? 0 : next[1] > at[1] ? 14 : -14],
          color: "#14171a",
          backgroundColor: "rgba(255, 255, 255, 0.85)",
          padding: [2, 4],
          borderRadius: 3,
          fontSize: 12,
        },
      };
    };
    const option = (width) => {
      const size = inside(width);
      const said = (text) => (width < 500 ? text.replace(" direction", "") : text);
      return {
        ...base(),
        grid: { left: margin.left, top: margin.top, ...size },
        xAxis: axis(said(spec.axes[0]), left, right, 28),
        yAxis: axis(size.height < 260 ? said(spec.axes[1]).replace(" of the path", "") : spec.axes[1], bottom, top, 46),
        visualMap: {
          type: "continuous",
          min: low,
          max: high,
          seriesIndex: 0,
          dimension: 2,
          calculable: false,
          orient: "horizontal",
          left: margin.left - 12,
          bottom: 4,
          itemWidth: 10,
          itemHeight: Math.max(Math.min(size.width - 130, 240), 60),
          hoverLink: false,
          text: [high, low].map((value) => figure(spec.log ? 10 ** value : value)),
          textStyle: font(),
          inRange: { color: viridis },
        },
        tooltip: tooltip({
          formatter: ({ seriesName, value }) => {
            if (seriesName !== "loss" && seriesName !== "lost") return "";
            const [c, r] = value;
            const loss = seriesName === "loss" ? figure(value[3]) : "not finite";
            return `loss  ${loss}\nat  ${figure(spec.across[c])}, ${figure(spec.up[r])}`;
          },
        }),
        series: [
          {
            type: "custom",
            name: "loss",
            data: spec.cells.map(([c, r, value]) => [c, r, scaled(value), value]),
            encode: { x: -1, y: -1 },
            renderItem: cell((api) => ({ fill: api.visual("color") })),
            clip: true,
          },
          {
            type: "custom",
            name: "lost",
            data: spec.broken,
            encode: { x: -1, y: -1 },
            renderItem: cell(() => ({
              fill: colour("lost"),
              decal: { symbol: "line", rotation: Math.PI / 4, color: colour("paper"), dashArrayX: [1, 0], dashArrayY: [2, 4] },
            })),
            clip: true,
          },
          { ...stroke("rgba(20, 23, 26, 0.75)", 4), symbol: "none" },
          stroke("#ffffff", 1.75),
          {
            type: "scatter",
            silent: true,
            symbolSize: 13,
            itemStyle: { color: "rgba(0, 0, 0, 0)", borderColor: "#ffffff", borderWidth: 2.5 },
            data: [
              { ...end(0, "rect", plain(spec.ends[0]), "left", width), symbolSize: 9 },
              end(-1, "circle", plain(spec.ends[1]), "right", width),
            ],
            z: 6,
          },
        ],
      };
    };
    return { option, height: (width) => inside(width).height + margin.top + margin.bottom };
  }

  // --- crossing: the loss between two solutions ------------------------------------------------------------------

  function crossing(spec) {
    const values = spec.lines.flatMap((line) => line.points.map(([, value]) => value)).filter((value) => value !== null);
    let range = [Math.min(...values), Math.max(...values)];
    if (spec.log) range = [decade(range[0], 1), Math.max(decade(range[1], -1), 10 * decade(range[0], 1))];
    else {
      const flat = !(range[1] - range[0] > 1e-12 * Math.max(Math.abs(range[0]), Math.abs(range[1]), 1e-300));
      const step = nice(flat ? Math.abs(range[1]) || 1 : Math.min(range[1] - range[0], Number.MAX_VALUE / 4));
      range = [Math.floor(range[0] / step) * step, Math.ceil(range[1] / step) * step || 1];
      if (range[0] === range[1]) range[1] += step;
    }
    const option = (width) => ({
      ...base(),
      grid: { left: room(), right: 14, top: 12, bottom: 46 },
      xAxis: {
        type: "value",
        min: 0,
        max: 1,
        ...axisLine(),
        splitLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => figure(v) },
        ...title(width < 500 ? "position" : "position on the line: 0 the first solution, 1 the second", 28),
      },
      yAxis: {
        type: spec.log ? "log" : "value",
        min: range[0],
        max: range[1],
        ...axisLine(),
        axisLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => figure(v), hideOverlap: true },
      },
      tooltip: tooltip({
        trigger: "axis",
        formatter: (items) =>
          plain([`position ${figure(items[0].value[0])}`, ...items.map((i) => `${i.seriesName}  ${figure(i.value[1])}`)].join("\n")),
      }),
      series: spec.lines.map((line, index) => ({
        type: "line",
        name: line.name,
        data: line.points,
        showSymbol: line.points.length <= 40,
        symbol: ["circle", "rect", "triangle", "diamond"][index % 4],
        symbolSize: 6,
        lineStyle: { width: 1.75, type: index ? "dashed" : "solid" },
        itemStyle: { color: colour(line.colour) },
        emphasis: { disabled: true },
      })),
    });
    return { option, height: () => 280 };
  }

  return { spectrum, plane, crossing };
};
