"""How the page of a run looks: system fonts, light and dark by the reader's choice, contrast of at least 4.5 to 1."""

STYLE = """
:root { --ground: #fff; --ink: #1c1f23; --quiet: #59616b; --rule: #d5dae0; --mark: #14599d; --bad: #a8201a;
  --good: #17633a; --out: #fde6e4; --in: #e0f2e6; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181c; --ink: #e8eaed; --quiet: #a7b0ba; --rule: #3a424b;
  --mark: #7db8f5; --bad: #ff9b93; --good: #7fd6a0; --out: #4a2523; --in: #1f3d2a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 60rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.2rem 0 .2rem; overflow-wrap: anywhere; }
small, header p, caption, figcaption { color: var(--quiet); font-weight: normal; }
.table { overflow-x: auto; margin: .5rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption, figcaption { text-align: left; font-size: .9rem; padding-bottom: .3rem; }
th, td { text-align: left; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
thead th { white-space: nowrap; } tbody th { font-weight: 600; overflow-wrap: anywhere; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { font-weight: 600; } dd { margin: 0; }
figure { margin: 1rem 0 1.5rem; } .plot { overflow-x: auto; } svg { width: 100%; min-width: 34rem; height: auto; }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
.grid { stroke: var(--rule); } .zero { stroke: var(--ink); stroke-width: 1.5; }
.mark { stroke: var(--mark); fill: var(--mark); stroke-width: 2; } .mark.bad { stroke: var(--bad); fill: var(--bad); }
.bar { fill: var(--mark); }
.passed, .failed { font-weight: 600; border-left: .3rem solid; padding-left: .7rem; }
.passed { color: var(--good); } .failed { color: var(--bad); }
del { background: var(--out); color: var(--bad); } ins { background: var(--in); color: var(--good); }
ins { text-decoration: underline; } summary { cursor: pointer; }
a:focus, summary:focus, .table:focus { outline: 2px solid var(--mark); outline-offset: 2px; }
@media print { details:not([open]) > * { display: none; } main { max-width: none; } }
"""
