#pragma once

namespace ufo {

/// Whether standard error is a terminal that understands escapes: TERM is set, and not to "dumb".
bool terminal_takes_escapes();

}  // namespace ufo
