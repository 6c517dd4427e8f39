"""Style and script of the page: colours for light and dark, told apart by sign and text as well."""

# Contrast with the page's ground is 4.5 or more for text and 3 or more for shapes, in both schemes (WCAG 2.2 AA).
STYLE = """\
:root{color-scheme:light dark;--ground:#fff;--raised:#f6f8fa;--text:#1f2328;--dim:#59636e;--rim:#d1d9e0;
--ok:#1a7f37;--ok-fill:#dafbe1;--bad:#b42318;--bad-fill:#ffebe9;--run:#0969da;--run-fill:#ddf4ff;
--stop:#7d4e00;--stop-fill:#fff8c5;--bar:#0969da;--spread:#a8d1ff}
@media(prefers-color-scheme:dark){:root{--ground:#0d1117;--raised:#161b22;--text:#e6edf3;--dim:#9198a1;--rim:#3d444d;
--ok:#3fb950;--ok-fill:#12261e;--bad:#ff7b72;--bad-fill:#2d1517;--run:#58a6ff;--run-fill:#10233d;
--stop:#d9a520;--stop-fill:#272115;--bar:#58a6ff;--spread:#1f4470}}
*{box-sizing:border-box}
body{overflow-wrap:anywhere;margin:0 auto;max-width:1100px;padding:16px;background:var(--ground);color:var(--text);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
h1{font-size:1.3rem;margin:.3em 0;overflow-wrap:anywhere}h2{font-size:1.1rem;margin:1.8em 0 .6em;overflow-wrap:anywhere}
h3{font-size:1rem;margin:1.2em 0 .4em}a{color:var(--run)}.hidden{position:absolute}
.dim,figcaption{color:var(--dim)}
.badge{padding:.1em .6em;border-radius:1em;font-weight:600;border:1px solid;white-space:nowrap}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(128px,1fr));gap:8px;margin:14px 0}
.tiles div{background:var(--raised);border:1px solid var(--rim);border-radius:8px;padding:8px 12px}
.tiles b{display:block;font-size:1.15rem;font-variant-numeric:tabular-nums}
.tiles span{color:var(--dim);font-size:.85rem}
.charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,430px),1fr));gap:12px}
figure{margin:0;background:var(--raised);border:1px solid var(--rim);border-radius:8px;padding:10px;min-width:0}
figcaption{font-size:.85rem}svg{display:block;width:100%;height:auto}svg.graph{margin:0 auto;width:auto;max-width:100%}
figure:has(svg.graph){overflow-x:auto}
.hero{font-size:1.35rem;font-weight:650;margin:.4em 0;overflow-wrap:anywhere}
.phase-0{fill:#8250df}.phase-1{fill:var(--bar)}.phase-2{fill:var(--ok)}.phase-3{fill:var(--stop)}.phase-4{fill:#bf3989}
.phase-5{fill:var(--dim)}svg.phases{height:26px;border-radius:6px}svg.swatch{display:inline-block;width:.8em;height:.8em;
margin-right:.4em}ul.legend{list-style:none;display:flex;flex-wrap:wrap;gap:4px 18px;margin:8px 0 0;padding:0}
.scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.9rem}
th,td{text-align:left;vertical-align:top;padding:5px 10px 5px 0;border-bottom:1px solid var(--rim);
overflow-wrap:break-word}
th{color:var(--dim);font-weight:500;white-space:nowrap}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}td.k{white-space:nowrap}
details{border:1px solid var(--rim);border-radius:8px;padding:6px 12px;margin:6px 0;scroll-margin-top:12px}
details:target{outline:2px solid var(--run)}summary{cursor:pointer}
pre{background:var(--raised);border-radius:6px;padding:8px;margin:4px 0 10px;overflow:auto;max-height:22em;
font-size:.82rem;white-space:pre-wrap;overflow-wrap:anywhere}
.tick{font-size:12px;fill:var(--dim)}.grid{stroke:var(--rim)}
.told{margin:2px 0 0;font-size:.85rem;color:var(--dim);min-height:1.5em}
svg.bars .bar:focus{outline:none;stroke:var(--text);stroke-width:2}
.line{fill:none;stroke:var(--bar);stroke-width:1.5}
.area{fill:var(--spread);opacity:.6}.bar{fill:var(--bar)}.bad{fill:var(--bad)}.halted{fill:var(--dim)}code{overflow-wrap:anywhere}.spread{fill:var(--spread)}
@media(max-width:640px){.tick{font-size:18px}svg.graph{max-width:none}.scroll{position:relative}
thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
tr{display:block;border-bottom:1px solid var(--rim);padding:6px 0}
td,td.n,td.k{display:flex;gap:12px;justify-content:space-between;border:0;padding:2px 0;text-align:left;
white-space:normal;overflow-wrap:anywhere}td[data-head]::before{content:attr(data-head);color:var(--dim);flex:none}td:empty{display:none}}
@media print{.told{display:none}}
@media print{body{max-width:none}details{break-inside:avoid}figure{break-inside:avoid}pre{max-height:none}}
.edge{fill:none;stroke:var(--dim);stroke-width:1.3}.head{fill:var(--dim)}
.state{cursor:pointer;text-decoration:none}.state rect{fill:var(--raised);stroke:var(--dim);stroke-width:1.5}
.state:focus-visible rect,.state:hover rect{stroke-width:3}
.state .name{font-size:14px;font-weight:600;fill:var(--text)}.state .sub{font-size:11.5px;fill:var(--dim)}
.SUCCEEDED{color:var(--ok)}.FAILED,.TIMED_OUT{color:var(--bad)}.RUNNING{color:var(--run)}.ABORTED,.CAUGHT,.PARTIAL{color:var(--stop)}
.NOT_REACHED,.PENDING{color:var(--dim)}
.state.SUCCEEDED rect{fill:var(--ok-fill);stroke:var(--ok)}.state.RUNNING rect{fill:var(--run-fill);stroke:var(--run)}
.state.FAILED rect,.state.TIMED_OUT rect{fill:var(--bad-fill);stroke:var(--bad)}
.state.ABORTED rect,.state.CAUGHT rect,.state.PARTIAL rect{fill:var(--stop-fill);stroke:var(--stop)}
.state.NOT_REACHED rect{stroke-dasharray:5 4}
"""
# A link to closed details shows nothing until they are open.  A chart is one stop of the Tab key, in which arrow keys
# go from bar to bar; a screen reader says what a sighted person reads below the chart.
SCRIPT = """\
const show=()=>{const e=location.hash&&document.getElementById(location.hash.slice(1));
if(e&&e.tagName==="DETAILS"){e.open=true;e.scrollIntoView({block:"start"})}};
addEventListener("hashchange",show);show();
document.querySelectorAll("svg.bars").forEach(chart=>{
const bars=[...chart.querySelectorAll(".bar")],last=bars.length-1,told=chart.parentElement.querySelector(".told");
const tell=e=>{const bar=e.target.closest(".bar");if(bar)told.textContent=bar.getAttribute("aria-label")};
bars.forEach((bar,at)=>{const text=bar.querySelector("title").textContent;bar.setAttribute("role","img");
bar.setAttribute("aria-label",`${text} (${at+1} of ${bars.length})`);bar.setAttribute("tabindex",at?-1:0)});
chart.addEventListener("focusin",tell);chart.addEventListener("mouseover",tell);
chart.addEventListener("keydown",e=>{const at=bars.indexOf(document.activeElement);
const to={ArrowRight:at+1,ArrowDown:at+1,ArrowLeft:at-1,ArrowUp:at-1,PageDown:at+10,PageUp:at-10,Home:0,
End:last}[e.key];
if(at<0||to===undefined)return;e.preventDefault();
const next=bars[Math.max(0,Math.min(last,to))];bars[at].setAttribute("tabindex",-1);
next.setAttribute("tabindex",0);next.focus()})});
document.querySelectorAll("a.state").forEach(a=>a.addEventListener("click",()=>setTimeout(show)));
"""
