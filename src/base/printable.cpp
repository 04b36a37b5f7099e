#include <array>
#include <charconv>
#include <cstdint>

#include <ufo/base/printable.h>

namespace ufo {
namespace {

/// A character of UTF-8 (RFC 3629) and its length in bytes; no length where the bytes are none.
struct Character {
  uint32_t code = 0;
  size_t bytes = 0;
};

Character first_character(std::string_view text) {
  const auto byte = [&](size_t at) { return static_cast<unsigned char>(text[at]); };
  const size_t bytes = byte(0) < 0x80 ? 1 : byte(0) < 0xc0 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : 4;
  if (bytes == 0 || byte(0) > 0xf4 || bytes > text.size()) {
    return {};
  }
  uint32_t code = bytes == 1 ? byte(0) : byte(0) & (0xffU >> (bytes + 1));
  for (size_t at = 1; at < bytes; ++at) {
    if ((byte(at) & 0xc0) != 0x80) {
      return {};
    }
    code = code << 6 | (byte(at) & 0x3fU);
  }
  constexpr std::array<uint32_t, 5> kSmallest = {0, 0, 0x80, 0x800, 0x10000};  // else it is written too long
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kSmallest[bytes] || surrogate || code > 0x10ffff ? Character{} : Character{code, bytes};
}

bool is_safe(uint32_t code) {
  const bool control = code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029;
  const bool direction = code == 0x200e || code == 0x200f || (code >= 0x202a && code <= 0x202e) ||
                         (code >= 0x2066 && code <= 0x2069);
  return !control && !direction;
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string result;
  while (!text.empty()) {
    const Character next = first_character(text);
    const size_t bytes = next.bytes == 0 ? 1 : next.bytes;
    if (next.bytes > 0 && is_safe(next.code)) {
      result += text.substr(0, bytes);
    } else {
      for (const char byte : text.substr(0, bytes)) {
        const auto value = static_cast<unsigned char>(byte);
        result.append("\\x").append(1, kDigits[value >> 4]).append(1, kDigits[value & 15]);
      }
    }
    text.remove_prefix(bytes);
  }
  return result;
}

std::string from_printable(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    unsigned byte = 0;
    const char* const digits = text.data() + at + 2;
    if (text.substr(at).starts_with("\\x") && at + 4 <= text.size() &&
        std::from_chars(digits, digits + 2, byte, 16).ptr == digits + 2) {
      result += static_cast<char>(byte);
      at += 4;
    } else {
      result += text[at++];
    }
  }
  return result;
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@%";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return std::string(text);
  }
  std::string quoted(1, '\'');
  for (const char letter : text) {
    if (letter == '\'') {
      quoted.append("'\\'");
    }
    quoted.push_back(letter);
  }
  quoted.push_back('\'');
  return quoted;
}

}  // namespace ufo
