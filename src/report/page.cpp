#include "report/page.h"

#include "report/html.h"
#include "report/parts.h"
#include "report/style.h"

#include <algorithm>

#include <ufo/run/method_name.h>

namespace ufo::report {
namespace {

std::string heading(const std::vector<run::RunRecord>& runs) {
  const bool one_setting = std::all_of(runs.begin(), runs.end(), [&](const run::RunRecord& run) {
    return setting_text(run) == setting_text(runs.front());
  });
  const std::string setting = one_setting ? setting_text(runs.front()) : "several settings";
  if (runs.size() == 1) {
    return run::method_name(runs.front().options) + ", " + setting;
  }
  return std::to_string(runs.size()) + " runs, " + setting;
}

std::string note_list(const std::vector<run::RunRecord>& runs) {
  std::string items;
  for (const run::RunRecord& run : runs) {
    for (const std::string& note : run.notes) {
      items += element("li", element("b", escaped(run.name)) + ": " + escaped(note)) + "\n";
    }
  }
  return items.empty() ? "" : element("ul", items, "class=\"notes\"") + "\n";
}

/// A section with a heading; nothing where `content` is empty.
std::string section(const std::string& title, const std::string& content) {
  return content.empty() ? "" : element("section", element("h2", title) + "\n" + content) + "\n";
}

std::string configs(const std::vector<run::RunRecord>& runs) {
  std::string blocks;
  for (const run::RunRecord& run : runs) {
    blocks += element("details", element("summary", escaped(run.name + "/config.json")) +
                                     element("pre", escaped(run.config_text))) +
              "\n";
  }
  return blocks;
}

std::string accuracies(const std::vector<run::RunRecord>& runs, const Table& evaluations) {
  if (evaluations.rows.empty()) {
    return element("p", "None of the runs was evaluated on this split.", "class=\"caption\"");
  }
  return accuracy_table(runs, evaluations) + paired_table(runs, evaluations);
}

}  // namespace

std::string report_page(const std::vector<run::RunRecord>& records, const Table& evaluations) {
  const auto further =
      std::find_if(records.begin(), records.end(), [](const auto& run) { return run.further; });
  const std::vector<run::RunRecord> runs(records.begin(), further);
  const std::string title = escaped(heading(runs));
  const std::string head =
      "<meta charset=\"utf-8\"/>\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n" +
      element("title", title) + "\n" + element("style", kReportStyle) + "\n";
  const std::string body =
      element("h1", title) + "\n" + element("p", "Report of ufo-maml", "class=\"lead\"") + note_list(runs) +
      section("What was trained", facts_table(runs)) + section("Accuracy", accuracies(records, evaluations)) +
      section("Learning", learning_figure(runs)) +
      section("Accuracy after each inner step", inner_step_figure(records)) +
      section("Cost", cost_table(runs)) + section("UFO's coin", coin_figure(runs)) +
      section("Learned inner rates", inner_rate_table(runs)) + section("Configs", configs(runs));
  const std::string page =
      joined("\n", element("head", head), "\n", element("body", element("main", body)), "\n");
  return joined("<!DOCTYPE html>\n", element("html", page, "lang=\"en\""), "\n");
}

}  // namespace ufo::report
