#include "report/columns.h"
#include "report/table_format.h"

#include <algorithm>

#include <ufo/base/printable.h>

namespace ufo::report {
namespace {

/// `text` with what LaTeX reads as commands written out.
std::string escaped(const std::string& text) {
  static const std::vector<std::pair<std::string, std::string>> kWritten = {{"\\", "\\textbackslash{}"},
                                                                            {"&", "\\&"},
                                                                            {"%", "\\%"},
                                                                            {"_", "\\_"},
                                                                            {"#", "\\#"},
                                                                            {"$", "\\$"},
                                                                            {"{", "\\{"},
                                                                            {"}", "\\}"},
                                                                            {"~", "\\textasciitilde{}"},
                                                                            {"^", "\\textasciicircum{}"},
                                                                            {"<", "$<$"},
                                                                            {">", "$>$"},
                                                                            {"±", "$\\pm$"},
                                                                            {"−", "$-$"},
                                                                            {"–", "--"},
                                                                            {"≈", "$\\approx$"},
                                                                            {"√", "$\\surd$"}};
  const std::string plain = printable(text);
  std::string written;
  for (size_t at = 0; at < plain.size();) {
    const auto found = std::find_if(kWritten.begin(), kWritten.end(), [&](const auto& pair) {
      return plain.compare(at, pair.first.size(), pair.first) == 0;
    });
    written += found == kWritten.end() ? plain.substr(at, 1) : found->second;
    at += found == kWritten.end() ? 1 : found->first.size();
  }
  return written;
}

/// The sources of figures by the letters that stand for them.
class Sources {
 public:
  std::string mark(const std::string& source) {
    const auto found = std::find(sources_.begin(), sources_.end(), source);
    const auto place = static_cast<size_t>(found - sources_.begin());
    if (found == sources_.end()) {
      sources_.push_back(source);
    }
    return letter(place);
  }

  std::string notes() const {
    std::string text;
    for (size_t i = 0; i < sources_.size(); ++i) {
      text += letter(i) + " " + escaped(sources_[i]) + "\\par\n";
    }
    return text;
  }

 private:
  static std::string letter(size_t place) {
    return place < 26 ? "\\textsuperscript{" + std::string(1, static_cast<char>('a' + place)) + "}"
                      : "\\textsuperscript{" + std::to_string(place + 1) + "}";
  }

  std::vector<std::string> sources_;
};

std::string line_of(const std::vector<Cell>& cells, Sources& sources) {
  std::string line;
  for (const Cell& cell : cells) {
    line += (line.empty() ? "" : " & ") + escaped(cell.text) +
            (cell.source.empty() ? "" : sources.mark(cell.source));
  }
  return line + " \\\\\n";
}

/// A floating table; `notes` are paragraphs below it.
std::string table_of(const Grid& grid, const std::string& caption, const std::vector<std::string>& notes) {
  Sources sources;
  std::string body;
  for (const auto& row : grid.rows) {
    body += line_of(row, sources);
  }
  std::string text = "\\begin{table}\n\\centering\n\\caption{" + caption + "}\n";
  text += "\\sbox0{\\begin{tabular}{l" + std::string(grid.header.size() - 1, 'r') + "}\n\\toprule\n";
  std::string header;
  for (const std::string& name : grid.header) {
    header += (header.empty() ? "" : " & ") + escaped(name);
  }
  text += header + " \\\\\n\\midrule\n" + body + "\\bottomrule\n\\end{tabular}}\n";
  text += "\\ifdim\\wd0>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox0}\\else\\usebox0\\fi\n";
  std::string below = sources.notes();
  for (const std::string& note : notes) {
    below += escaped(note) + "\\par\n";
  }
  text += below.empty() ? ""
                        : "\\par\\smallskip\\begin{minipage}{\\linewidth}\\footnotesize\\raggedright\n" +
                              below + "\\end{minipage}\n";
  return text + "\\end{table}\n";
}

}  // namespace

std::string to_latex(const Table& table) {
  const Grid grid = grid_of(table);
  std::string text = "% needs \\usepackage{booktabs,graphicx}\n";
  text += table_of(grid,
                   std::string("Accuracies with 95\\% intervals") +
                       (grid.shared.empty() ? "." : "; " + escaped(grid.shared) + "."),
                   table.notes);
  if (table.paired && !table.pairs.empty()) {
    text +=
        table_of(grid_of(table.pairs),
                 "Differences of accuracies, episode by episode, with 95\\% intervals; $p$ by Holm over the "
                 "pairs.",
                 {});
  }
  return text;
}

}  // namespace ufo::report
