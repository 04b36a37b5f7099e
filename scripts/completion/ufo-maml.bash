# Completion of ufo-maml in bash: source this file, or copy it to
# ~/.local/share/bash-completion/completions/ufo-maml. Subcommands and options are what the program's own --help says, so
# that they are always those of the program at hand; each help is asked for once a shell.

declare -gA _ufo_maml_helps

_ufo_maml_help() {  # PROGRAM [SUBCOMMAND...]: sets `help`
  if [[ -z ${_ufo_maml_helps["$*"]-} ]]; then
    _ufo_maml_helps["$*"]=$("$@" --help 2>/dev/null)
  fi
  help=${_ufo_maml_helps["$*"]}
}

_ufo_maml() {
  local word=${COMP_WORDS[COMP_CWORD]} help subcommands options i
  local -a call=("${COMP_WORDS[0]/#\~/$HOME}")
  for ((i = 1; i <= COMP_CWORD; i++)); do
    _ufo_maml_help "${call[@]}"
    subcommands=$(sed -n '/^Subcommands:/,/^$/s/^  \([a-z-]\+\) .*/\1/p' <<<"$help")
    if ((i < COMP_CWORD)) && grep -qxF -e "${COMP_WORDS[i]}" <<<"$subcommands"; then
      call+=("${COMP_WORDS[i]}")
    fi
  done
  options=$(sed -n 's/^  \(-[^ ]*\).*/\1/p' <<<"$help" | tr ',' '\n')
  if [[ $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word")
  elif [[ -n $subcommands ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$subcommands" -- "$word")
  else
    COMPREPLY=()  # files, by the -o default below
  fi
}

complete -o default -F _ufo_maml ufo-maml
