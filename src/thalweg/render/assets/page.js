"use strict";
// Draws the curves, the heat map and the pictures of a report. Everything it shows comes from the JSON block; names in it are
// strangers' and are only ever drawn on a canvas or set as text, never parsed as markup.
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  const first = data.first;
  const last = Math.max(data.last, first + 1);
  const drawn = new Map(); // plot element -> {chart, draw}
  const view = { from: first, to: last };
  const viridis = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];

  // --- words -------------------------------------------------------------------------------------------------

  const count = (n) => Math.round(n).toLocaleString("en-US");
  function figure(value, unit) {
    if (value === null || value === undefined) return "not finite";
    if (unit === "fraction") return `${figure(100 * value)} %`;
    if (Number.isInteger(value) && Math.abs(value) < 1e6) return count(value);
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-4 || size >= 1e4)) {
      return value.toExponential(2).replace(/\.?0+e/, "e");
    }
    return String(Number(value.toPrecision(3)));
  }
  function at(step) {
    let low = 0;
    let high = data.epochs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (data.epochs[middle][0] < step) low = middle + 1;
      else high = middle;
    }
    const epoch = data.unit === "step" && low < data.epochs.length ? `, epoch ${count(data.epochs[low][1])}` : "";
    return `${data.unit} ${count(step)}${epoch}`;
  }

  // --- colours -----------------------------------------------------------------------------------------------

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  function ramp(share) {
    const place = (Number(colour("ramp-from")) + share * (Number(colour("ramp-to")) - Number(colour("ramp-from")))) * (viridis.length - 1);
    const low = Math.min(Math.floor(place), viridis.length - 2);
    return echarts.color.lerp(place - low, [viridis[low], viridis[low + 1]]);
  }
  const lineColour = (line, index, all) =>
    line.kind === "layer" ? ramp(all.length > 1 ? index / (all.length - 1) : 0.4) : colour(line.kind);

  // --- axes --------------------------------------------------------------------------------------------------

  const font = () => ({ fontFamily: getComputedStyle(document.body).fontFamily, fontSize: 12, color: colour("soft") });
  function nice(span) {
    const step = 10 ** Math.floor(Math.log10(span / 4));
    return [1, 2, 5, 10].map((k) => k * step).find((k) => k >= span / 5) || step;
  }
  // The nearest of 1, 2 and 5 times a power of ten: below the value with side 1, above it with side -1.
  function decade(value, side) {
    const power = Math.floor(Math.log10(value) + 1e-9);
    const marks = [1, 2, 5, 10].map((k) => Number(`${k}e${power}`));
    return side > 0
      ? marks.reverse().find((mark) => mark <= value * (1 + 1e-9)) || value
      : marks.find((mark) => mark >= value * (1 - 1e-9)) || value;
  }
  // The range of the points in view and of their neighbours just outside, so that no line leaves the chart.
  function extent(spec) {
    if (spec.limits) return spec.limits;
    let low = Infinity;
    let high = -Infinity;
    const take = (value) => {
      if (value === null || value === undefined) return;
      low = Math.min(low, value);
      high = Math.max(high, value);
    };
    for (const line of spec.lines) {
      let before = null;
      for (const [step, value] of line.points) {
        if (step < view.from) before = value;
        else {
          if (before !== null) take(before);
          before = null;
          take(value);
          if (step > view.to) break;
        }
      }
      if (before !== null) take(before);
    }
    if (view.from === first && view.to === last) spec.references.forEach(([, value]) => take(value));
    if (low > high) return spec.log ? [1, 10] : [0, 1];
    if (spec.log) {
      return [decade(low, 1), Math.max(decade(high, -1), 10 * decade(low, 1))];
    }
    if (!(high - low > 1e-12 * Math.max(Math.abs(high), Math.abs(low), 1e-300))) {
      [low, high] = [Math.min(2 * low, 0), Math.max(2 * high, 0)];
      if (low === high) high = 1;
    }
    if (!Number.isFinite(high - low)) return [-Number.MAX_VALUE / 4, Number.MAX_VALUE / 4];
    const step = nice(high - low);
    return [Math.floor(low / step) * step, Math.ceil(high / step) * step];
  }
  const axisLine = () => ({
    axisLine: { lineStyle: { color: colour("rule") } },
    axisTick: { show: false },
    splitLine: { lineStyle: { color: colour("grid") } },
  });
  const room = () => (window.innerWidth < 736 ? 46 : 54);

  // --- curves ------------------------------------------------------------------------------------------------

  function nearest(points, step) {
    let low = 0;
    let high = points.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (points[middle][0] < step) low = middle + 1;
      else high = middle;
    }
    return low > 0 && step - points[low - 1][0] <= points[low][0] - step ? points[low - 1] : points[low];
  }
  function hover(spec, step) {
    const main = spec.lines.find((line) => line.points.length);
    const from = main ? nearest(main.points, step)[0] : step;
    const said = spec.lines
      .map((line) => [line, line.points.length ? nearest(line.points, step) : null])
      .filter(([, point]) => point)
      .sort((a, b) => (spec.lines.length > 10 ? (b[1][1] ?? Infinity) - (a[1][1] ?? Infinity) : 0));
    const lines = said.slice(0, 10).map(([line, [where, value]]) => {
      const other = where === from ? "" : ` (${data.unit} ${count(where)})`;
      return `${line.name}  ${figure(value, spec.unit)}${other}`;
    });
    for (const line of spec.lines) {
      const gap = line.gaps.find(([a, b]) => a <= step && step <= b);
      if (gap) lines.push(`${line.name}  ${gap[2]} at ${data.unit} ${count(gap[0])} to ${count(gap[1])}`);
    }
    if (said.length > 10) lines.push(`and ${said.length - 10} smaller`);
    // Braces would be read as styles of the canvas text.
    return [at(from), ...lines].join("\n").replace(/[{}]/g, "");
  }
  const tooltip = (extra) => ({
    renderMode: "richText",
    confine: true,
    backgroundColor: colour("raised"),
    borderColor: colour("rule"),
    textStyle: { ...font(), color: colour("ink"), lineHeight: 18 },
    ...extra,
  });
  // Where any line was not finite, overlapping stretches as one.
  function stretches(spec) {
    const merged = [];
    for (const [from, to, words] of spec.lines.flatMap((line) => line.gaps).sort((a, b) => a[0] - b[0])) {
      const before = merged.at(-1);
      if (before && from <= before[1]) before[1] = Math.max(before[1], to);
      else merged.push([from, to, words]);
    }
    return merged;
  }
  const verticals = (spec) => [
    ...spec.marks.map(([code, step, , concern]) => ({
      xAxis: step,
      name: code,
      lineStyle: { color: colour(concern ? "concern" : "soft"), width: 1.5, type: "solid" },
      label: { formatter: code, color: colour(concern ? "concern" : "soft"), fontWeight: 600, position: "end" },
    })),
    ...stretches(spec)
      .slice(0, 200)
      .map(([step, , words], index) => ({
        xAxis: step,
        name: words,
        lineStyle: { color: colour("lost"), width: 1, type: "dotted" },
        label: { show: index === 0, formatter: words, color: colour("lost"), position: "start", distance: -16, padding: [0, 0, 0, 6], align: "left" },
      })),
  ];
  function curves(spec) {
    const zoomed = { start: percent(view.from), end: percent(view.to) };
    const series = spec.lines.map((line, index, all) => ({
      type: "line",
      name: line.name,
      data: line.points,
      showSymbol: line.points.length <= 40,
      symbol: "circle",
      symbolSize: 5,
      connectNulls: false,
      lineStyle: { width: line.points.length > 400 ? 1 : 1.75, type: line.kind === "limit" ? "dashed" : "solid" },
      itemStyle: { color: lineColour(line, index, all) },
      emphasis: { disabled: true },
      z: line.kind === "batch" || line.kind === "limit" ? 3 : 4,
    }));
    const lines = [
      ...verticals(spec),
      ...spec.references.map(([name, value]) => ({
        yAxis: value,
        lineStyle: { color: colour("soft"), width: 1, type: "dashed" },
        label: { formatter: `${name}, ${figure(value, spec.unit)}`, position: "insideEndTop", color: colour("soft") },
      })),
    ];
    const areas = stretches(spec).filter(([a, b]) => b > a).slice(0, 200);
    // Marks stand on a series of their own: they stay where a line has no finite point at all.
    series.push({
      type: "line",
      data: [],
      z: 1,
      markLine: { silent: true, animation: false, symbol: "none", precision: 12, z: 1, label: { fontSize: 12 }, data: lines },
      markArea: {
        silent: true,
        animation: false,
        z: 1,
        itemStyle: { color: colour("lost"), opacity: 0.09 },
        data: areas.map(([a, b]) => [{ xAxis: a }, { xAxis: b }]),
      },
    });
    return {
      animation: false,
      textStyle: font(),
      grid: { left: room(), right: 14, top: 22, bottom: 26 },
      xAxis: {
        type: "value",
        min: first,
        max: last,
        minInterval: 1,
        ...axisLine(),
        splitLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => count(v), hideOverlap: true, showMinLabel: true },
        axisPointer: { show: true, snap: false, label: { show: false }, lineStyle: { color: colour("soft"), width: 1 } },
      },
      yAxis: {
        type: spec.log ? "log" : "value",
        min: () => extent(spec)[0],
        max: () => extent(spec)[1],
        ...axisLine(),
        axisLine: { show: false },
        axisLabel: { ...font(), formatter: (v) => figure(v, spec.unit), hideOverlap: true },
      },
      dataZoom: [
        {
          type: "inside",
          ...zoomed,
          filterMode: "none",
          disabled: matchMedia("(pointer: coarse)").matches,
          zoomOnMouseWheel: "ctrl",
          moveOnMouseWheel: false,
          preventDefaultMouseMove: false,
        },
      ],
      tooltip: tooltip({
        trigger: "axis",
        formatter: (items) => hover(spec, (Array.isArray(items) ? items[0] : items).axisValue),
      }),
      series,
    };
  }

  // --- layers ------------------------------------------------------------------------------------------------

  const rowHeight = (map) => Math.max(Math.min(24, 1200 / map.rows.length), 5);
  function layers(map, width) {
    const side = Math.min(width * 0.34, 190);
    const height = rowHeight(map);
    const stretch = (data.last - first + 1) / data.bins;
    const bins = Array.from({ length: data.bins }, (_, b) => Math.ceil(first + b * stretch));
    const binOf = (step) => Math.min(Math.floor((step - first) / stretch), data.bins - 1);
    // Labels at round steps: a stretch is labelled where it holds a multiple of this.
    const round = Math.max(nice((last - first) / Math.max((width - side) / 400, 1)), 1);
    const multiple = (b) => Math.ceil(bins[b] / round) * round;
    const scaled = (value) => (map.log ? Math.log10(value) : value);
    const shown = map.cells.filter(([, , value]) => !map.log || value > 0);
    const zero = map.log ? map.cells.filter(([, , value]) => value <= 0) : [];
    let low = Infinity;
    let high = -Infinity;
    for (const [, , value] of shown) {
      low = Math.min(low, scaled(value));
      high = Math.max(high, scaled(value));
    }
    if (low > high) [low, high] = [0, 1];
    if (map.unit === "fraction") [low, high] = [0, 1];
    if (low === high) [low, high] = [low - 0.5, high + 0.5];
    const cell = (b, r, value) => ({ value: [b, r, scaled(value)], real: value });
    return {
      animation: false,
      textStyle: font(),
      grid: { left: side, right: 14, top: 30, bottom: 78 },
      xAxis: {
        type: "category",
        data: bins,
        ...axisLine(),
        splitLine: { show: false },
        axisLabel: {
          ...font(),
          interval: (b) => multiple(b) < (bins[b + 1] ?? data.last + 1),
          formatter: (_, b) => count(multiple(b)),
          hideOverlap: true,
        },
      },
      yAxis: {
        type: "category",
        data: map.rows,
        inverse: true,
        ...axisLine(),
        axisLabel: { ...font(), width: side - 12, overflow: "truncate", interval: map.rows.length > 60 ? "auto" : 0 },
        splitLine: { show: false },
      },
      visualMap: {
        type: "continuous",
        min: low,
        max: high,
        seriesIndex: 0,
        dimension: 2,
        calculable: false,
        orient: "horizontal",
        left: side,
        bottom: 8,
        itemWidth: 10,
        itemHeight: Math.max(Math.min(width - side - 150, 240), 80),
        hoverLink: false,
        text: [figure(map.log ? 10 ** high : high, map.unit), figure(map.log ? 10 ** low : low, map.unit)],
        textStyle: font(),
        inRange: { color: viridis },
      },
      dataZoom: [{ type: "inside", start: percent(view.from), end: percent(view.to), disabled: true }],
      tooltip: tooltip({
        formatter: (item) => {
          const [b, r] = item.value;
          const end = (bins[b + 1] ?? data.last + 1) - 1;
          const span = end > bins[b] ? `${data.unit}s ${count(bins[b])} to ${count(end)}` : at(bins[b]);
          const value = item.data.real === undefined ? "not finite" : figure(item.data.real, map.unit);
          return `${map.rows[r]}\n${map.title}  ${value} ${map.unit === "fraction" ? "" : map.unit}\n${span}`.replace(/[{}]/g, "");
        },
      }),
      series: [
        { type: "heatmap", data: shown.map((c) => cell(...c)), progressive: 0, emphasis: { disabled: true } },
        { type: "heatmap", data: zero.map(([b, r]) => ({ value: [b, r, 0], real: 0 })), itemStyle: { color: viridis[0] }, emphasis: { disabled: true } },
        {
          type: "heatmap",
          data: map.broken.map(([b, r]) => ({ value: [b, r, 0] })),
          emphasis: { disabled: true },
          itemStyle: {
            color: colour("lost"),
            decal: { symbol: "line", rotation: Math.PI / 4, color: colour("paper"), dashArrayX: [1, 0], dashArrayY: [2, 4] },
          },
        },
        {
          // A pin above the first row: a line would cover the very cells that it points at.
          type: "scatter",
          symbol: "triangle",
          symbolRotate: 180,
          symbolSize: 8,
          symbolOffset: [0, -(height / 2 + 6)],
          clip: false,
          silent: true,
          data: map.marks.map(([code, step, , concern]) => ({
            name: code,
            value: [binOf(step), 0],
            itemStyle: { color: colour(concern ? "concern" : "soft"), opacity: 1 },
            label: { show: true, position: "top", distance: 2, formatter: code, color: colour(concern ? "concern" : "soft"), fontWeight: 600 },
          })),
        },
      ],
    };
  }

  const tools = { axisLine, colour, count, decade, figure, font, nice, room, tooltip, viridis };
  const drawers = { ...pictures(tools), ...bands(tools) };

  // --- zoom: one for all charts ------------------------------------------------------------------------------

  const percent = (step) => (100 * (step - first)) / (last - first);
  function say() {
    if (!data.charts.length) return;
    document.getElementById("range").textContent =
      `${data.unit}s ${count(view.from)} to ${count(Math.min(view.to, data.last))}`;
  }
  function zoom(from, to) {
    const span = Math.min(Math.max(to - from, Math.min(4, last - first)), last - first);
    const start = Math.min(Math.max(from + (to - from - span) / 2, first), last - span);
    view.from = start;
    view.to = start + span;
    for (const { chart } of drawn.values()) {
      chart.dispatchAction({ type: "dataZoom", start: percent(view.from), end: percent(view.to) }, { silent: true });
    }
    say();
  }
  const moves = {
    in: (span) => zoom(view.from + span / 4, view.to - span / 4),
    out: (span) => zoom(view.from - span / 2, view.to + span / 2),
    left: (span) => zoom(view.from - span / 2, view.to - span / 2),
    right: (span) => zoom(view.from + span / 2, view.to + span / 2),
    reset: () => zoom(first, last),
  };
  document.querySelector(".zoom")?.addEventListener("click", (event) => {
    const move = event.target.dataset.zoom;
    if (move) moves[move](view.to - view.from);
  });

  // --- drawing -----------------------------------------------------------------------------------------------

  // `height` gives the plot's own height by its width, where that is not the style sheet's.
  function place(plot, option, height) {
    if (drawn.has(plot) || plot.closest("details:not([open])")) return;
    const fit = () => {
      if (height) plot.style.height = `${height(plot.clientWidth)}px`;
    };
    fit();
    const chart = echarts.init(plot, null, { renderer: "canvas" });
    const draw = () => {
      fit();
      chart.resize();
      chart.setOption(option(plot.clientWidth), { notMerge: true });
    };
    drawn.set(plot, { chart, draw });
    draw();
    chart.on("datazoom", (event) => {
      const { start, end } = event.batch ? event.batch[0] : event;
      zoom(first + (start / 100) * (last - first), first + (end / 100) * (last - first));
    });
  }
  function paint() {
    data.charts.forEach((spec) => {
      const box = document.getElementById(spec.anchor);
      place(box.querySelector(".plot"), () => curves(spec));
      box.querySelectorAll("[data-line]").forEach((key) => {
        const index = Number(key.dataset.line);
        key.querySelector("i").style.background = lineColour(spec.lines[index], index, spec.lines);
      });
    });
    data.pictures.forEach((spec, index) => {
      const { option, height } = drawers[spec.kind](spec);
      place(document.querySelector(`#picture-${index + 1} .plot`), option, height);
    });
    if (!data.maps.length) return;
    const select = document.getElementById("quantity");
    const plot = document.querySelector("#layers .plot");
    const map = () => data.maps[Number(select.value)];
    if (!drawn.has(plot)) select.addEventListener("change", () => drawn.get(plot).draw());
    place(plot, (width) => layers(map(), width), () => 108 + map().rows.length * rowHeight(map()));
  }
  function repaint() {
    drawn.forEach(({ draw }) => draw());
    paint();
  }

  // --- theme, links, print -----------------------------------------------------------------------------------

  const button = document.getElementById("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
  function theme(name) {
    if (name) root.dataset.theme = name;
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", `Switch to the ${isDark() ? "light" : "dark"} theme`);
    repaint();
  }
  button.addEventListener("click", () => {
    theme(isDark() ? "light" : "dark");
    try {
      localStorage.setItem("thalweg-theme", root.dataset.theme);
    } catch {
      // Without storage the choice holds until the page is closed.
    }
  });
  dark.addEventListener("change", () => theme());
  // A link into a closed fold opens it.
  function reveal() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target && target.closest("details");
    if (!fold) return;
    fold.open = true;
    paint();
    target.scrollIntoView();
  }
  window.addEventListener("hashchange", reveal);
  document.querySelectorAll("details").forEach((fold) => fold.addEventListener("toggle", paint));
  let resized;
  window.addEventListener("resize", () => {
    clearTimeout(resized);
    resized = setTimeout(repaint, 120);
  });
  let before = null;
  window.addEventListener("beforeprint", () => {
    before = { theme: root.dataset.theme, open: [...document.querySelectorAll("details:not([open])")] };
    before.open.forEach((fold) => (fold.open = true));
    theme("light");
  });
  window.addEventListener("afterprint", () => {
    if (!before) return;
    before.open.forEach((fold) => (fold.open = false));
    if (before.theme === undefined) delete root.dataset.theme;
    theme(before.theme);
  });

  button.hidden = false;
  root.dataset.drawn = "";
  try {
    const stored = localStorage.getItem("thalweg-theme");
    if (stored === "light" || stored === "dark") root.dataset.theme = stored;
  } catch {
    // A page opened from a file may have no storage: the system's choice holds.
  }
  theme();
  say();
  reveal();
})();
