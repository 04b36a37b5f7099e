#include "report/cells.h"
#include "report/html.h"
#include "report/parts.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <ufo/base/text.h>
#include <ufo/run/method_name.h>

namespace ufo::report {
namespace {

std::string or_not_recorded(const std::string& text) { return text.empty() ? "not recorded" : text; }

/// The first twelve digits, and whether files had changed.
std::string revision_text(const run::RunRecord& run) {
  const std::string revision = or_not_recorded(run.provenance.revision);
  const size_t plus = revision.find('+');
  return plus == std::string::npos && revision.size() < 40
             ? revision
             : revision.substr(0, 12) + (plus == std::string::npos ? "" : revision.substr(plus));
}

std::string device_text(const run::RunRecord& run) {
  const run::Provenance& made = run.provenance;
  return joined(or_not_recorded(made.device), ", ", or_not_recorded(made.hardware),
                ", threads: ", or_not_recorded(made.threads == 0 ? "" : std::to_string(made.threads)));
}

std::string build_text(const run::RunRecord& run) {
  return joined("ufo-maml ", or_not_recorded(run.provenance.version), ", revision ", revision_text(run),
                ", LibTorch ", or_not_recorded(run.provenance.libtorch));
}

std::string plural(int64_t count, const std::string& thing) {
  return grouped(count) + " " + thing + (count == 1 ? "" : "s");
}

std::string validation_text(const run::RunRecord& run) {
  const run::Curve& curve = run.training.validation_accuracy;
  if (curve.empty()) {
    return "none";
  }
  const auto best = std::max_element(curve.begin(), curve.end(),
                                     [](const run::Point& a, const run::Point& b) { return a.y < b.y; });
  return joined(fixed(100 * best->y, 2), "% after step ", grouped(std::llround(best->x)));
}

}  // namespace

std::string setting_text(const run::RunRecord& run) {
  const auto& [ways, shots, queries] = run.options.episode;
  return joined(ways, "-way ", shots, "-shot ", run.options.dataset.name, " (", run.options.dataset.split,
                ")");
}

std::string facts_table(const std::vector<run::RunRecord>& runs) {
  using Fact = std::function<std::string(const run::RunRecord&)>;
  const std::vector<std::pair<const char*, Fact>> facts = {
      {"method", [](const auto& run) { return run::method_name(run.options); }},
      {"setting", setting_text},
      {"query images a class", [](const auto& run) { return grouped(run.options.episode.queries); }},
      {"network", [](const auto& run) { return nn::title_of(run.options.model); }},
      {"inner loop",
       [](const auto& run) {
         return plural(run.options.inner.steps, "step") + joined(" of ", run.options.inner.learning_rate);
       }},
      {"outer loop",
       [](const auto& run) {
         const auto& outer = run.options.outer;
         return joined(word_of(outer.optimizer), " ", outer.learning_rate, ", ",
                       plural(outer.meta_batch, "task"), " a step");
       }},
      {"outer steps",
       [](const auto& run) {
         return grouped(run.training.steps) + " of " + grouped(run.options.outer.steps);
       }},
      {"best validation", validation_text},
      {"seed", [](const auto& run) { return std::to_string(run.options.seed); }},
      {"device", device_text},
      {"built from", build_text},
      {"run directory", [](const auto& run) { return run.path; }}};
  std::string head = "<td></td>", rows;
  for (size_t i = 0; i < runs.size(); ++i) {
    head += run_cell(runs, i, "col");
  }
  for (const auto& [name, fact] : facts) {
    Cells cells;
    for (const run::RunRecord& run : runs) {
      cells.push_back(fact(run));
    }
    const bool shared = std::adjacent_find(cells.begin(), cells.end(), std::not_equal_to<>()) == cells.end();
    rows += element("tr", element("th", name, "scope=\"row\"") +
                              (shared ? element("td", escaped(cells.front()),
                                                "colspan=\"" + std::to_string(cells.size()) + "\"")
                                      : body_cells(cells))) +
            "\n";
  }
  return table_of(element("thead", element("tr", head)), rows, "class=\"facts\"");
}

}  // namespace ufo::report
