# bash completion for verde, verde-dispute, verde-verdict, verded and the agents of a service

_verde_words() { mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur"); }

# Files with one of the given endings, and folders.
_verde_files() {
  local f ending
  COMPREPLY=()
  while IFS= read -r f; do
    if [[ -d $f ]]; then
      COMPREPLY+=("$f/")
      continue
    fi
    for ending in "$@"; do
      [[ $f == *"$ending" ]] && COMPREPLY+=("$f")
    done
  done < <(compgen -f -- "$cur")
  compopt -o filenames -o nospace 2>/dev/null
  if ((${#COMPREPLY[@]} == 1)) && [[ ${COMPREPLY[0]} != */ ]]; then compopt +o nospace 2>/dev/null; fi
}

_verde_folders() {
  mapfile -t COMPREPLY < <(compgen -d -- "$cur")
  compopt -o filenames 2>/dev/null
}

# The value of the option $1; fails when it takes none.
_verde_value() {
  case $1 in
  --template) _verde_words 'mlp cnn onnx sentence-encoder' ;;
  --record)
    _verde_words 'full checkpoint:'
    compopt -o nospace 2>/dev/null
    ;;
  --progress) _verde_words 'auto plain json none' ;;
  --trace | --segment)
    if [[ $1 == --segment && ${COMP_WORDS[1]-} == replay ]]; then COMPREPLY=(); else _verde_files .trace; fi
    ;;
  --key) if [[ ${COMP_WORDS[*]:0:2} == *status* ]]; then COMPREPLY=(); else _verde_files .pem; fi ;;
  --token) _verde_files '' ;;
  --model) _verde_files .safetensors .onnx ;;
  --onnxruntime-model) _verde_files .onnx ;;
  --onnxruntime) _verde_files '' ;;
  --device) _verde_words cpu ;;
  --store | --dir | --data) _verde_folders ;;
  --job) _verde_files .json .trace ;;
  --out)
    case ${COMP_WORDS[1]-} in
    run) _verde_files .safetensors ;;
    replay) _verde_files .trace ;;
    *) _verde_files .json ;;
    esac
    ;;
  --evidence) _verde_files .evidence ;;
  --svg) _verde_files .svg ;;
  --transcript) _verde_files .jsonl ;;
  --server | --limit | --dispute | --slots | --quorum | --reward | --set | --max-escrow | --task | --tasks | --state | \
    --memory | --flops | --stake | --check | --poll)
    COMPREPLY=()
    ;;
  --threads | --step | --steps | --keep | --sample | --expect | --inject | --max-dispute | --party | --runs | \
    --limit-memory | --limit-seconds)
    COMPREPLY=()
    ;;
  *) return 1 ;;
  esac
  return 0
}

_verde() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]-}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _verde_words 'job run open replay inspect verify diff check eval keygen bench conformance vectors dispute verdict
      account submit status fetch provide help --help --version'
    return
  fi
  if ((COMP_CWORD == 2)); then
    case $command in
    job) _verde_words 'new check' && return ;;
    vectors) _verde_words check && return ;;
    esac
  fi
  case $command in
  dispute) _verde_dispute && return ;;
  verdict) _verde_verdict && return ;;
  account | submit | status | fetch | provide) _verde_agent "$command" 2 && return ;;
  esac
  _verde_value "$prev" && return
  local options files
  case $command in
  job)
    if [[ ${COMP_WORDS[2]} == new ]]; then options='--template --model --out' files=
    else options='--json --record --max-dispute --threads --input --out' files='.json .onnx'; fi
    ;;
  run)
    options='--trace --store --record --keep --threads --steps --out --key --expect --progress
      --max-dispute --inject --input --json'
    files='.json .onnx'
    ;;
  open) options='--trace --store --step --record --threads --inject --input --json' files='.json .onnx' ;;
  replay)
    options='--trace --store --segment --out --key --record --threads --inject --input --json'
    files='.json .onnx'
    ;;
  bench)
    options='--input --runs --threads --onnxruntime --onnxruntime-model --json'
    files='.json .onnx'
    ;;
  conformance) options='--progress --threads --json' files=.onnx ;;
  inspect) options='--step --json' files='.trace .onnx' ;;
  verify) options='--store --sample --threads --json' files=.trace ;;
  diff) options='--json' files=.trace ;;
  check) options='--trace --store --json' files=.safetensors ;;
  eval) options='--trace --store --model --threads --json' files=.json ;;
  keygen) options='--json' files=.pem ;;
  vectors) options='--dir --scalar --threads --json' files= ;;
  *) return ;;
  esac
  if [[ $cur == -* ]]; then _verde_words "$options --help"
  elif [[ $files ]]; then _verde_files $files
  else _verde_words "$options"; fi
}

_verde_dispute() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  _verde_value "$prev" && return
  if [[ $cur == -* ]]; then
    _verde_words '--job --store --segment --party --evidence --threads --max-dispute --limit-memory
      --limit-seconds --no-sandbox --explain --tree --svg --transcript --json --help'
  else
    _verde_files .trace
  fi
}

_verde_verdict() {
  local cur=${COMP_WORDS[COMP_CWORD]}
  COMPREPLY=()
  if [[ $cur == -* ]]; then _verde_words '--json --help'; else _verde_files .evidence; fi
}

# An agent: its name, and the place of its first word.
_verde_agent() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} options files=
  COMPREPLY=()
  _verde_value "$prev" && return
  case $1 in
  account)
    options='--server --token --key --out --limit --json'
    if ((COMP_CWORD == $2)); then _verde_words 'new deposit show statement bind ledger --help' && return; fi
    ;;
  submit)
    options='--server --token --slots --quorum --reward --set --quote --max-escrow --task --watch --store --record
      --input --threads --progress --json'
    files='.json .onnx .verde'
    ;;
  status) options='--server --state --key --limit --evidence --dispute --json' ;;
  fetch) options='--server --token --out --progress --json' ;;
  provide)
    options='--server --key --data --tasks --memory --flops --device --reward --stake --check --keep --threads --poll
      --files --once --inject --json'
    ;;
  esac
  if [[ $cur == -* ]]; then _verde_words "$options --help"
  elif [[ $files ]]; then _verde_files $files; fi
}

_verde_account() { _verde_agent account 1; }
_verde_submit() { _verde_agent submit 1; }
_verde_status() { _verde_agent status 1; }
_verde_fetch() { _verde_agent fetch 1; }
_verde_provide() { _verde_agent provide 1; }

_verded() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  COMPREPLY=()
  case $prev in --data | --to) _verde_folders && return ;; esac
  if ((COMP_CWORD == 1)); then _verde_words 'reconcile backup --help'
  elif [[ ${COMP_WORDS[1]} == backup ]]; then _verde_words '--data --to --help'
  else _verde_words '--data --help'; fi
}

complete -F _verde verde
complete -F _verde_dispute verde-dispute
complete -F _verde_verdict verde-verdict
complete -F _verde_account verde-account
complete -F _verde_submit verde-submit
complete -F _verde_status verde-status
complete -F _verde_fetch verde-fetch
complete -F _verde_provide verde-provide
complete -F _verded verded
