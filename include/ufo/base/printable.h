#pragma once

#include <string>
#include <string_view>

namespace ufo {

/// `text` from outside, such as the name of a file, fit for a terminal, a log and JSON: every byte of a
/// control character, of a mark that turns the direction of writing, and of what is not UTF-8 as \xNN.
std::string printable(std::string_view text);

/// What `text` was before printable(): every \xNN as the byte.
std::string from_printable(std::string_view text);

/// `text` as one word of a shell's command, quoted where it has to be.
std::string shell_word(std::string_view text);

}  // namespace ufo
