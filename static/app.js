// What every page loads. The page says by data attributes what it shows; see live/ (what moves), forms/ (what is sent) and
// sales/ (the till).

import { RealtimeManager } from "./realtime/manager.js";
import { bindAlerts, mayAnswerAlerts } from "./live/alerts.js";
import { bindBell } from "./live/bell.js";
import { updateDay } from "./live/day.js";
import { updateFigures } from "./live/figures.js";
import { bindRetry, showStatus } from "./live/indicator.js";
import { updateLists } from "./live/lists.js";
import { bindRegions } from "./live/regions.js";
import { bindDirty, bindRenewal } from "./live/renewal.js";
import { updateStock } from "./live/stock.js";
import { bindWorst } from "./live/worst.js";
import { bindForms } from "./forms/enhance.js";
import { bindSwitches } from "./forms/device.js";
import { bindMenus } from "./forms/menus.js";
import { bindPrint } from "./forms/print.js";
import { bindSteppers } from "./forms/steppers.js";
import { bindTheme } from "./forms/theme.js";
import { bindWorker } from "./notify/worker.js";
import { forgetDrafts } from "./sales/draft.js";

bindTheme();
bindForms();
bindMenus();
bindPrint();
bindSwitches();
bindSteppers();
bindWorker();

const { userId, role, branchId, cursor, topics, heartbeatSeconds } = document.body.dataset;
if (userId) {
  forgetDrafts(userId);
  startLive();
}
// Whoever signs out leaves no patient's name behind. (A session that ended by itself is another thing: its draft waits.)
document.addEventListener("submit", (event) => event.target.getAttribute("action") === "/logout" && forgetDrafts());
if (document.body.dataset.signedOut === "clean") forgetDrafts();

function startLive() {
  const scope = `${userId}:${branchId || "all"}`;
  const wanted = (topics ?? "").split(" ");
  // A super admin's page goes on with the branch it shows, whatever is chosen in another tab meanwhile.
  const branch = role === "super_admin" ? branchId || "semua" : null;
  const manager = new RealtimeManager({ scope, branch, cursor, heartbeatMs: 1000 * (Number(heartbeatSeconds) || 15) });
  window.RealtimeManager = manager; // as the old app had it, for its pages and for the console

  const showState = (topic) => ({
    onData(data) {
      updateFigures(topic, data);
      updateLists(topic, data);
    },
  });
  if (wanted.includes("dashboard")) {
    manager.connectDashboard(showState("dashboard"));
    manager.connectDashboard({ onData: updateDay });
  }
  if (wanted.includes("omset-kasir")) manager.connectOmsetKasir(showState("omset-kasir"));
  if (wanted.includes("monitoring")) manager.connectMonitoring(showState("monitoring"));
  if (wanted.includes("stock-updates")) {
    manager.connectStockUpdates({ onData: updateStock });
    bindWorst(manager);
  }
  const redraw = bindRegions(manager, wanted);
  bindAlerts(manager, redraw);
  if (wanted.includes("notifications")) bindBell(manager, redraw, { poppedUp: mayAnswerAlerts() ? ["stock_alert"] : [] });
  manager.onStatus(showStatus);
  bindRetry(manager);
  bindDirty();
  bindRenewal(manager, userId);
  manager.start();

  const list = document.querySelector("[data-stock-list]");
  if (list) import("./stock/list.js").then(({ openList }) => openList(list, manager));
  const preview = document.querySelector("[data-preview]");
  if (preview) import("./stock/preview.js").then(({ openPreview }) => openPreview(preview, manager));
  const opname = document.querySelector("[data-opname]");
  if (opname) import("./stock/opname.js").then(({ openOpname }) => openOpname(opname));
  const transfer = document.querySelector("[data-transfer]");
  if (transfer) import("./stock/transfer.js").then(({ openTransfer }) => openTransfer(transfer));
  const history = document.querySelector("[data-streams-chart]");
  if (history) import("./monitoring/chart.js").then(({ openHistory }) => openHistory(history, manager));
  const line = document.querySelector("[data-line-test]");
  if (line) import("./monitoring/line.js").then(({ bindLineTest }) => bindLineTest(line));
  if (document.body.dataset.measure !== undefined) import("./monitoring/paint.js").then(({ measurePaint }) => measurePaint(manager, wanted));

  const chart = document.querySelector("[data-chart]");
  if (chart) import("./live/chart.js").then(({ openChart }) => openChart(chart, manager));
  if (document.querySelector("[data-mutes]")) import("./notify/settings.js").then(({ bindSettings }) => bindSettings(manager));
  const till = document.querySelector("[data-sale]");
  if (till) import("./sales/till.js").then(({ openTill }) => openTill(till, manager));
  const board = document.querySelector("[data-board]");
  if (board) import("./orders/board.js").then(({ bindBoard }) => bindBoard(board));
}
